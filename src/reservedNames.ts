/** Names that mean something else to JavaScript than to those who write them. */
export const reservedNames: readonly string[] = ["__proto__", "constructor", "prototype"];

/** Whether a name from a file or a person would reach into every object, instead of naming something of its own. */
export function isReservedName(name: string): boolean {
  return reservedNames.includes(name);
}

/**
 * Where the first such name stands among the keys of a value, as a dotted path, or null. Everything that is read as YAML or JSON and then
 * laid over something else goes through here.
 */
export function reservedNameIn(value: unknown, at = ""): string | null {
  if (typeof value !== "object" || value === null) return null;
  for (const [key, child] of Object.entries(value)) {
    const path = at === "" ? key : `${at}.${key}`;
    if (isReservedName(key)) return path;
    const inside = reservedNameIn(child, path);
    if (inside !== null) return inside;
  }
  return null;
}

/** The value that an object itself has under a name; what every object inherits, such as `constructor`, is none. */
export function getOwn<T>(object: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

/** Gives an object a value under any name: an assignment to `__proto__` would be lost, or change what the object inherits. */
export function setOwn<T>(object: Record<string, T>, name: string, value: T): void {
  Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
}
