/**
 * What a terminal would obey instead of showing: control characters but tab and line ends, and those that turn the direction of text. A
 * carriage return is part of a line end only before a line feed.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const obeyed = /\r(?!\n)|[\0-\x08\v\f\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g;

const codeOf = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;

/**
 * A text from a file, a database or a person as a terminal may show it: characters that it would obey stand as their numbers, `\u001b`. JSON
 * stays the same JSON.
 */
export function visibleText(text: string): string {
  return text.replace(obeyed, codeOf);
}

/** {@link visibleText} that is also one line: of a message, a table's cell, a name. */
export function visibleLine(text: string): string {
  return visibleText(text).replaceAll("\r", "\\r").replaceAll("\n", "\\n").replaceAll("\t", "\\t");
}
