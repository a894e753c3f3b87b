/** A place where two configurations differ. */
export interface ConfigDifference {
  readonly path: string;
  readonly left: unknown;
  readonly right: unknown;
}

/** The paths at which two trees of plain values differ, in order. */
export function configDifferences(left: unknown, right: unknown, prefix = ""): ConfigDifference[] {
  if (isObject(left) && isObject(right)) {
    return [...new Set([...Object.keys(left), ...Object.keys(right)])]
      .sort()
      .flatMap((key) => configDifferences(left[key], right[key], prefix === "" ? key : `${prefix}.${key}`));
  }
  return JSON.stringify(left) === JSON.stringify(right) ? [] : [{ path: prefix, left, right }];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
