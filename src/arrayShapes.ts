import { ShapeError } from "./errors.ts";

/** What has a shape and a type: arrays, traced ones among them. */
export interface Shaped {
  readonly shape: readonly number[];
  readonly dtype: string;
}

/** An array as messages show it: `float32[2,3]`. */
export function shownArray({ dtype, shape }: Shaped): string {
  return `${dtype}[${shape.join()}]`;
}

/** Sizes by the letters that stand for them. */
export type Sizes = Readonly<Record<string, number>>;

/** An array, or none where it may be missing, and the pattern that it has to match. */
export type Expected = readonly [array: Shaped | undefined, pattern: string];

/** What the arrays of a call are held against, by their names. */
export type Patterns = Readonly<Record<string, Expected>>;

/** The types that a pattern's stands for: a model may be computed in other floats. */
const accepts: Readonly<Record<string, (dtype: string) => boolean>> = {
  float32: (dtype) => dtype.startsWith("float"),
  int32: (dtype) => /^u?int/.test(dtype),
  any: () => true,
};

/** `B, L, 4` without the axes in front that `..` or `X..` stands for, and the letter of those. */
function axesOf(pattern: string): { dtype: string; front: string | null; axes: readonly string[] } {
  const [, dtype, inside] = /^(\w+)\[(.*)\]$/.exec(pattern)!;
  const axes = inside === "" ? [] : inside!.split(",").map((axis) => axis.trim());
  const front = axes[0]?.endsWith("..") ? axes[0].slice(0, -2) : null;
  return { dtype: dtype!, front, axes: front === null ? axes : axes.slice(1) };
}

/**
 * Holds the arrays of a call against patterns: a letter is one size in all of them, whatever it is; a number is that size; `..` stands for
 * any axes in front, `X..` for the same in all of them. Nothing is consumed.
 *
 * @param what - the function's name
 * @param expected - by the names of arguments, in the order in which letters get their sizes
 * @param sizes - letters that are known already
 * @returns the sizes of all letters
 * @throws ShapeError that names the function, the argument, what it is and what is expected
 *
 * @example
 * ```ts
 * checkShapes("linear", { x: [np.zeros([2, 3]), "float32[.., I]"], w: [np.zeros([3, 4]), "float32[I, O]"] }); // => { I: 3, O: 4 }
 * ```
 */
export function checkShapes(what: string, expected: Patterns, sizes: Sizes = {}): Sizes {
  const known: Record<string, number> = { ...sizes };
  const fronts: Record<string, readonly number[]> = {};
  for (const [name, [array, pattern]] of Object.entries(expected)) {
    if (array === undefined) continue;
    const { dtype, front, axes } = axesOf(pattern);
    const { shape } = array;
    const numFront = shape.length - axes.length;
    const before = { ...known };
    const own = shape.slice(Math.max(0, numFront));
    const matches = (axis: string, i: number) => {
      const size = own[i]!;
      if (/^\d/.test(axis)) return Number(axis) === size;
      known[axis] ??= size;
      return known[axis] === size;
    };
    const fits =
      (front === null ? numFront === 0 : numFront >= 0) &&
      (accepts[dtype] ?? ((other) => other === dtype))(array.dtype) &&
      axes.every(matches);
    const leading = shape.slice(0, Math.max(0, numFront));
    if (fits && front) fronts[front] ??= leading;
    if (fits && (!front || fronts[front]!.join() === leading.join())) continue;
    const shown = (axis: string) => (before[axis] === undefined ? axis : `${axis}=${before[axis]}`);
    const shownFront = front === null ? [] : front && fronts[front] ? fronts[front].map(String) : [".."];
    const wanted = [...shownFront, ...axes.map(shown)].join(", ");
    throw new ShapeError(
      `${what}: ${name} is ${shownArray(array)}, expected ${dtype === "any" ? "" : dtype}[${wanted}]`,
    );
  }
  return known;
}

/** A random key, or several. @throws ShapeError if it is none; nothing is consumed */
export function checkKeys(what: string, ...keys: readonly (Shaped | undefined)[]): void {
  for (const key of keys) checkShapes(what, { key: [key, "uint32[2]"] });
}
