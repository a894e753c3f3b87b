/**
 * What other programs refuse in a safetensors header and `JSON.parse` passes over: numbers that are no whole ones as they are written (`2.0`)
 * and halves of characters.
 *
 * @param text - valid JSON
 * @returns the problem, or null
 */
export function headerTextProblem(text: string): string | null {
  for (const [token] of text.matchAll(/"(?:[^"\\]+|\\.)*"|-?\d[\d.eE+-]*/g)) {
    if (token[0] !== '"') {
      if (/[.eE]/.test(token)) return `number ${token}, expected whole ones without point or exponent`;
    } else if (token.includes("\\u") && !(JSON.parse(token) as string).isWellFormed()) {
      return `${token}, which is half a character`;
    }
  }
  return null;
}
