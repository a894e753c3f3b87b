import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { DataError } from "../../errors.ts";
import type { StoredChatTemplate } from "./chatTemplate.ts";

type Fields = Readonly<Record<string, unknown>>;

const configName = "tokenizer_config.json";

function readTemplateText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new DataError(`chat template "${file}": ${(error as Error).message.split("\n")[0]}`, {
      cause: error,
    });
  }
}

function readTokenizerConfig(file: string): Fields {
  const text = readTemplateText(file);
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json === "object" && json !== null) return json as Fields;
  } catch (error) {
    throw new DataError(`${file}: is not JSON`, { cause: error });
  }
  throw new DataError(`${file}: expected a JSON object`);
}

/** Tokens that a template may name: those of the configuration, written as text or as an object with `content`. */
function namedTokens(config: Fields): Readonly<Record<string, string>> {
  const tokens = Object.entries(config).flatMap(([name, value]) => {
    const content = (value as { content?: unknown } | null)?.content ?? value;
    return name.endsWith("_token") && typeof content === "string" ? [[name, content] as const] : [];
  });
  return Object.fromEntries(tokens);
}

/** The template of a configuration; of several that have names, the one that is called `default`. @throws DataError if it is no template at all */
function templateOf({ chat_template: template = null }: Fields, file: string): string | null {
  if (template === null || typeof template === "string") return template;
  if (!Array.isArray(template))
    throw new DataError(
      `${file}: chat_template ${JSON.stringify(template).slice(0, 60)}: expected a text, a list of templates with names, or null`,
    );
  const found = (template as Fields[]).find((one) => one?.name === "default")?.template;
  return typeof found === "string" ? found : null;
}

/**
 * Reads a chat template: a file of Jinja, with the tokens that a `tokenizer_config.json` beside it names, or that file itself.
 *
 * @throws DataError if it can't be read, or has none
 */
export function readChatTemplate(file: string): StoredChatTemplate {
  if (!file.endsWith(".json")) {
    const beside = path.join(path.dirname(file), configName);
    const source = readTemplateText(file);
    return { source, tokens: existsSync(beside) ? namedTokens(readTokenizerConfig(beside)) : {} };
  }
  const config = readTokenizerConfig(file);
  const source = templateOf(config, file);
  if (source === null)
    throw new DataError(
      `chat template "${file}": has no chat_template; expected a text, or a list with one that is called default`,
    );
  return { source, tokens: namedTokens(config) };
}

/** The chat template of a folder of Hugging Face's: `chat_template.jinja` before that of `tokenizer_config.json`, as Transformers has it; null if there is none. */
export function chatTemplateIn(folder: string): StoredChatTemplate | null {
  const own = path.join(folder, "chat_template.jinja");
  if (existsSync(own)) return readChatTemplate(own);
  const config = path.join(folder, configName);
  return existsSync(config) && templateOf(readTokenizerConfig(config), config) !== null
    ? readChatTemplate(config)
    : null;
}
