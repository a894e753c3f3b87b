import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import {
  BpeTokenizer,
  type ChatMessage,
  ChatTemplate,
  chatPrompt,
  chatTemplateIn,
  PipelineTokenizer,
  readChatTemplate,
  tokensInSpans,
} from "../index.ts";

interface ReferenceCase {
  readonly template: string;
  readonly special: boolean;
  readonly messages: readonly ChatMessage[];
  readonly text: string;
  readonly ids: readonly number[];
  readonly mask: readonly number[];
  readonly prompt: string;
}

const reference = JSON.parse(
  readFileSync(new URL("./chatTemplates.reference.json", import.meta.url), "utf8"),
) as {
  readonly added: Readonly<Record<string, number>>;
  readonly templates: Readonly<Record<string, string>>;
  readonly cases: readonly ReferenceCase[];
};
const file = JSON.parse(
  readFileSync(new URL("../../exchange/testing/models/tokenizer.json", import.meta.url), "utf8"),
) as { added_tokens: readonly object[] };

/** The tokenizer of the reference. */
function fileOf(special: boolean): object {
  if (!special) return file;
  const rest = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const more = Object.entries(reference.added)
    .sort((a, b) => a[1] - b[1])
    .map(([content, id]) => ({ id, content, ...rest }));
  return { ...file, added_tokens: [...file.added_tokens, ...more] };
}

const tokensOf = (special: boolean): Record<string, string> => ({
  eos_token: "<|endoftext|>",
  ...(special ? { bos_token: "<bos>" } : {}),
});

test("text, ids and what is learned are those of Transformers, with both readers of tokenizers", () => {
  for (const { template, special, messages, text, ids, mask, prompt } of reference.cases) {
    const where = `${template}${special ? ", special" : ""}`;
    const chat = new ChatTemplate(reference.templates[template]!, tokensOf(special));
    const rendered = chat.render(messages);
    assert.equal(rendered.text, text, where);
    assert.equal(chat.prompt(messages.slice(0, -1)), prompt, where);
    for (const tokenizer of [
      new PipelineTokenizer(fileOf(special), "<|endoftext|>"),
      BpeTokenizer.fromJSON(fileOf(special)),
    ]) {
      const example = tokensInSpans(tokenizer, rendered.text, rendered.spans, where);
      assert.deepEqual(example.ids, ids, where);
      assert.deepEqual(example.counts.map(Number), mask, where);
    }
  }
});

const turns = (...contents: string[]): ChatMessage[] =>
  contents.map((content, i) => ({ role: i % 2 === 0 ? "user" : "assistant", content }));

test("without {% generation %} each assistant's turn is what it adds to the prompt", () => {
  const source =
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";
  const { text, spans } = new ChatTemplate(source).render(turns("a", "b", "c", "dé"));
  assert.equal(text, "<user>a</><assistant>b</><user>c</><assistant>dé</>");
  assert.deepEqual(
    spans.map(([start, end]) => text.slice(start, end)),
    ["b</>", "dé</>"],
  );
  // As models that think have it: an answer loses a part once another follows.
  const forgetful =
    "{% for m in messages %}<{{ m.role }}>{{ m.content if loop.last else m.content[0] }}</>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";
  assert.throws(
    () => new ChatTemplate(forgetful).render(turns("a", "long", "c", "d"), "chat.jsonl: line 3"),
    /^DataError: chat\.jsonl: line 3: the chat template has no \{% generation %\}, and says turn 2 otherwise[^\n]+$/,
  );
});

test("tools are given to templates that read them, and refused where none does", () => {
  const source =
    "{% if tools %}[{{ tools | map(attribute='name') | join(',') }}]{% endif %}{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";
  const template = new ChatTemplate(source);
  const rendered = template.render(turns("a", "b"), "w", [{ name: "add" }, { name: "sub" }]);
  assert.equal(rendered.text, "[add,sub]<user>a<assistant>b");
  assert.deepEqual(rendered.spans, [[rendered.text.length - 1, rendered.text.length]]);
  for (const none of [null, []])
    assert.equal(template.render(turns("a", "b"), "w", none).text, "<user>a<assistant>b");
  const deaf = new ChatTemplate("{% for m in messages %}{{ m.content }}{% endfor %}");
  assert.equal(deaf.render(turns("a"), "w", []).text, "a");
  assert.throws(
    () => deaf.render(turns("a"), "chat.jsonl: line 2", [{ name: "add" }]),
    /^DataError: chat\.jsonl: line 2: has tools, which the chat template doesn't read; expected none$/,
  );
});

test("an answer begins where the template's prompt ends, and ends with its mark", () => {
  const tokenizer = new PipelineTokenizer(fileOf(true), "<|endoftext|>");
  const source =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
  const { ids, endOfAnswer } = chatPrompt(new ChatTemplate(source), tokenizer, turns("hi"));
  const text = "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n";
  assert.deepEqual(ids, tokenizer.encode(text));
  assert.equal(endOfAnswer, tokenizer.encode("<|im_end|>")[0]);
  // Without a mark, nothing but the end of the text ends it.
  const plain = new ChatTemplate("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}");
  assert.equal(chatPrompt(plain, tokenizer, turns("hi")).endOfAnswer, null);
  // An answer that begins otherwise than the prompt for it can't be told from the rest; it can be given.
  const thinking = new ChatTemplate(
    "{% for m in messages %}{{ m.content }}{% endfor %}{% if add_generation_prompt %}<think>{% endif %}",
  );
  assert.throws(() => thinking.render([...turns("hi"), { role: "assistant", content: "ho" }]), /DataError/);
  assert.equal(chatPrompt(thinking, tokenizer, turns("hi")).endOfAnswer, null);
});

test("a template that throws, asks for the date or can't be read is one line that says where", () => {
  const folded = new ChatTemplate(reference.templates.folded!);
  const twice: ChatMessage[] = [...turns("a"), ...turns("b")];
  assert.throws(
    () => folded.render(twice, "chat.jsonl: line 7"),
    /^DataError: chat\.jsonl: line 7: the chat template says: turns must alternate, user first$/,
  );
  const dated = (source: string) => new ChatTemplate(source).prompt(turns("a"));
  // Data would be others every day.
  assert.equal(dated("{{ strftime_now('%Y') if strftime_now is defined else 'some day' }}"), "some day");
  assert.throws(
    () => dated("{{ strftime_now('%Y') }}"),
    /^DataError: messages: the chat template says: [^\n]+$/,
  );
  // What stands before it changes nothing.
  assert.equal(dated("\n  {{- bos_token }}a\n  {% if true %}\nb{% endif %}"), "a\nb");
  assert.equal(dated("\n\n a"), "\n\n a");
  assert.throws(() => new ChatTemplate("{% for %}"), /^DataError: chat template: can't be read: [^\n]+$/);
});

test("templates are found as Transformers finds them, with the tokens that they name", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "rotor-template-"));
  try {
    const config = path.join(folder, "tokenizer_config.json");
    const write = (json: object) => writeFileSync(config, JSON.stringify(json));
    assert.equal(chatTemplateIn(folder), null);
    write({ eos_token: { content: "</s>" }, bos_token: "<s>", pad_token: null });
    assert.equal(chatTemplateIn(folder), null);
    assert.throws(() => readChatTemplate(config), /has no chat_template/);
    const named = [
      { name: "tool_use", template: "T" },
      { name: "default", template: "D" },
    ];
    write({ eos_token: { content: "</s>" }, bos_token: "<s>", pad_token: null, chat_template: named });
    const tokens = { eos_token: "</s>", bos_token: "<s>" };
    assert.deepEqual(chatTemplateIn(folder), { source: "D", tokens });
    writeFileSync(path.join(folder, "chat_template.jinja"), "J");
    assert.deepEqual(chatTemplateIn(folder), { source: "J", tokens });
    writeFileSync(config, "{");
    assert.throws(() => chatTemplateIn(folder), /tokenizer_config\.json: is not JSON/);
    assert.throws(
      () => readChatTemplate(path.join(folder, "none.jinja")),
      /chat template ".*none\.jinja": ENOENT/,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
