/** A name without separators and capitals. */
export const letters = (name: string) => name.toLowerCase().replace(/[^a-z0-9@.]/g, "");

/** Neighbouring letters of a name, without its separators. */
function pairs(name: string): Set<string> {
  const own = letters(name);
  return new Set(Array.from({ length: Math.max(0, own.length - 1) }, (_, i) => own.slice(i, i + 2)));
}

/**
 * The names most like a word, by the share of neighbouring letters that they have in common (Dice); nearest first.
 *
 * @param most - how many at most
 */
export function nearNames(word: string, names: readonly string[], most = 5): string[] {
  const own = pairs(word);
  const likeness = (name: string) => {
    const other = pairs(name);
    const common = [...own].filter((pair) => other.has(pair)).length;
    return (2 * common) / Math.max(1, own.size + other.size);
  };
  return names
    .map((name) => ({ name, like: likeness(name) }))
    .filter(({ like }) => like >= 0.4)
    .sort((a, b) => b.like - a.like || a.name.length - b.name.length)
    .slice(0, most)
    .map(({ name }) => name);
}
