/**
 * Inputs as JSON that people can read and change. JSON lacks some values, which stand as `{ "$": kind, "value": … }`: numbers that aren't
 * finite, −0, undefined, bigints, bytes and typed arrays. (`node:v8` keeps them all too, but nobody could read the corpus.)
 */

const typedArrays = {
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
} as const;

interface Tagged {
  readonly $: string;
  readonly value?: unknown;
}

export function toPlain(value: unknown): unknown {
  if (value === undefined) return { $: "undefined" };
  if (typeof value === "bigint") return { $: "bigint", value: `${value}` };
  if (typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0)))
    return { $: "number", value: Object.is(value, -0) ? "-0" : `${value}` };
  if (value instanceof Uint8Array) return { $: "bytes", value: Buffer.from(value).toString("base64") };
  if (ArrayBuffer.isView(value))
    return {
      $: value.constructor.name,
      value: Array.from(value as unknown as ArrayLike<unknown>, toPlain),
    };
  if (Array.isArray(value)) return value.map(toPlain);
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).map(([key, inner]) => [key, toPlain(inner)] as const);
    return "$" in value ? { $: "object", value: entries } : Object.fromEntries(entries);
  }
  return value;
}

export function fromPlain(plain: unknown): unknown {
  if (Array.isArray(plain)) return plain.map(fromPlain);
  if (typeof plain !== "object" || plain === null) return plain;
  if (!("$" in plain)) {
    return Object.fromEntries(Object.entries(plain).map(([key, inner]) => [key, fromPlain(inner)]));
  }
  const { $: kind, value } = plain as Tagged;
  switch (kind) {
    case "undefined":
      return undefined;
    case "bigint":
      return BigInt(value as string);
    case "number":
      return Number(value);
    case "bytes":
      return new Uint8Array(Buffer.from(value as string, "base64"));
    case "object":
      return Object.fromEntries(
        (value as [string, unknown][]).map(([key, inner]) => [key, fromPlain(inner)]),
      );
    default: {
      const make = typedArrays[kind as keyof typeof typedArrays] as { from(values: unknown): unknown };
      if (make === undefined) throw new Error(`corpus: unknown kind ${kind}`);
      return make.from(fromPlain(value));
    }
  }
}
