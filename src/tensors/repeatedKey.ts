/**
 * The first key that an object of a JSON text holds twice, or null. `JSON.parse` keeps the last of the two in silence.
 *
 * @param text - valid JSON
 */
export function repeatedKey(text: string): string | null {
  const objects: (Set<string> | null)[] = [];
  let last: string | null = null;
  for (const [token] of text.matchAll(/"(?:[^"\\]+|\\.)*"|[{}[\]:]/g)) {
    if (token === "{") objects.push(new Set());
    else if (token === "[") objects.push(null);
    else if (token === "}" || token === "]") objects.pop();
    else if (token === ":") {
      const keys = objects.at(-1)!;
      if (keys.has(last!)) return last;
      keys.add(last!);
    } else last = JSON.parse(token) as string;
  }
  return null;
}
