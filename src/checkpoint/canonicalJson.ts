/**
 * JSON with the keys of every object in the order of their UTF-16 code units and no spaces: the same text for the same fields,
 * whoever wrote them down and in which order.
 *
 * Source: the order of keys is that of RFC 8785, section 3.2.3; numbers are written by ECMAScript, as there.
 */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, node: unknown) =>
    typeof node === "object" && node !== null && !Array.isArray(node)
      ? Object.fromEntries(Object.entries(node).sort(([a], [b]) => (a < b ? -1 : 1)))
      : node,
  );
}
