"""Writes src/data/examples/chatTemplates.reference.json: what Transformers makes of conversations, as text, ids and the mask of what assistants say.

Run: python scripts/references/chatTemplates.py  (transformers 5.24.0)
The templates are written here. In "special" cases marks of turns are tokens of their own, in the others text like any other.
"""

import json
import os
import pathlib
import sys

sys.path = [p for p in sys.path if os.path.abspath(p) != os.path.dirname(os.path.abspath(__file__))]
import transformers  # noqa: E402
from transformers import PreTrainedTokenizerFast  # noqa: E402

root = pathlib.Path(__file__).parents[2]
tokenizer_file = root / "src/exchange/testing/models/tokenizer.json"
added = ["<|im_start|>", "<|im_end|>", "<bos>"]

templates = {
    # Turns between marks; what is learned ends with the mark.
    "marks": """{% for message in messages %}
{{ '<|im_start|>' + message['role'] + '\\n' }}
{%- if message['role'] == 'assistant' %}
    {% generation %}
{{ message['content'] + '<|im_end|>' }}
    {%- endgeneration %}
{{ '\\n' }}
{%- else %}
{{ message['content'] + '<|im_end|>\\n' }}
{%- endif %}
{% endfor %}
{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}""",
    # A token that begins texts, a system turn inside the first of the user, turns that must alternate, filters, a macro.
    "folded": """{{- bos_token }}
{%- macro wrapped(text) -%}[INST] {{ text | trim }} [/INST]{%- endmacro -%}
{%- if messages[0].role == 'system' %}
    {%- set system = messages[0].content | trim + '\\n\\n' %}
    {%- set turns = messages[1:] %}
{%- else %}
    {%- set system = '' %}
    {%- set turns = messages %}
{%- endif %}
{%- for message in turns %}
    {%- if (message.role == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('turns must alternate, user first') }}
    {%- endif %}
    {%- if message.role == 'user' %}
        {{- wrapped((system if loop.first else '') + message.content) }}
    {%- else %}
        {%- generation -%}
        {{ ' ' + message.content | trim + eos_token }}
        {%- endgeneration -%}
    {%- endif %}
{%- endfor %}""",
    # Objects as JSON, a turn that isn't learned beside one that is, no special token.
    "plain": """{% for message in messages %}{% if message.role == 'assistant' %}A: {% generation %}{{ message.content }}
{% endgeneration %}{% elif message.facts is defined %}F: {{ message.facts | tojson }}
{% else %}{{ message.role[0] | upper }}: {{ message.content }}
{% endif %}{% endfor %}{% if add_generation_prompt %}A: {% endif %}""",
}

conversations = [
    [{"role": "user", "content": "What is 12 + 30?"}, {"role": "assistant", "content": "42."}],
    [
        {"role": "system", "content": "  Answer in one word. "},
        {"role": "user", "content": "Colour of the sky?\nAnd of grass?"},
        {"role": "assistant", "content": " Blue\u00a0– green \U0001f340 "},
        {"role": "user", "content": "文字 and don't"},
        {"role": "assistant", "content": "é文\n\n  two lines"},
    ],
    [
        {"role": "user", "content": "Hi", "facts": {"place": "Köln", "n": [1, 2.5, None, True]}},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": "again"},
        {"role": "assistant", "content": "x"},
    ],
]

cases = []
for name, template in templates.items():
    for special in [True, False]:
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(tokenizer_file), eos_token="<|endoftext|>", bos_token="<bos>")
        if not special:
            tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(tokenizer_file), eos_token="<|endoftext|>")
        else:
            tokenizer.add_special_tokens({"additional_special_tokens": added})
        for messages in conversations:
            encoded = tokenizer.apply_chat_template(
                messages, chat_template=template, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
            )
            cases.append({
                "template": name,
                "special": special,
                "messages": messages,
                "text": tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False),
                "ids": encoded["input_ids"],
                "mask": encoded["assistant_masks"],
                "prompt": tokenizer.apply_chat_template(
                    messages[:-1], chat_template=template, tokenize=False, add_generation_prompt=True
                ),
            })

probe = PreTrainedTokenizerFast(tokenizer_file=str(tokenizer_file), eos_token="<|endoftext|>", bos_token="<bos>")
probe.add_special_tokens({"additional_special_tokens": added})
(root / "src/data/examples/chatTemplates.reference.json").write_text(
    json.dumps(
        {
            "generator": "scripts/references/chatTemplates.py",
            "transformers": transformers.__version__,
            "added": {token: probe.convert_tokens_to_ids(token) for token in added},
            "templates": templates,
            "cases": cases,
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )
    + "\n"
)
