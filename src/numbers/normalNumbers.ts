import {
  addInt,
  type Code,
  get,
  instantiate,
  int,
  lanes,
  type ParameterKind,
  pageBytes,
  repeatWhileLess,
  set,
} from "./lanes.ts";

/** A random key of jax-js: two words of 32 bits. */
export type KeyWords = readonly [number, number];

/** Rotations of Threefry-2x32, in turns of four rounds. */
const rotations = [
  [13, 15, 26, 6],
  [17, 29, 16, 24],
] as const;
const keyParity = 0x1bd11bda;

/** Threefry-2x32 with 20 rounds: the two words of a counter. */
function threefry([k0, k1]: KeyWords, c0: number, c1: number): [number, number] {
  const keys = [k0, k1, k0 ^ k1 ^ keyParity] as const;
  let x0 = (c0 + k0) | 0;
  let x1 = (c1 + k1) | 0;
  for (let group = 0; group < 5; group++) {
    for (const by of rotations[group % 2]!) {
      x0 = (x0 + x1) | 0;
      x1 = ((x1 << by) | (x1 >>> (32 - by))) ^ x0;
    }
    x0 = (x0 + keys[(group + 1) % 3]!) | 0;
    x1 = (x1 + keys[(group + 2) % 3]! + group + 1) | 0;
  }
  return [x0 >>> 0, x1 >>> 0];
}

/** Groups of four numbers that the loop works on side by side: one step waits for the one before, so that others fill the time. */
const groups = 4;
const parameters: readonly ParameterKind[] = ["int", "int", "int", "int", "int", "int", "float", "float"];

const polynomial = (x: Code, coefficients: readonly number[]): Code =>
  coefficients
    .slice(0, -1)
    .reduceRight<Code>(
      (sum, coefficient) => lanes.add(lanes.mul(sum, x), lanes.floats(coefficient)),
      lanes.floats(coefficients.at(-1)!),
    );

/**
 * The function that fills the memory of a module: `(key of the radius, key of the angle, first counter, bytes, std, factor)`.
 *
 * The order of all operations is that of jax-js 0.1.25 on WebAssembly, whose numbers these are to the last bit: its `random.normal`
 * (Box and Muller's method), `log1p` (a series near 0) and its kernels of `log` and `cos`.
 */
function normalModule() {
  let numLocals = parameters.length + 1;
  const address = parameters.length;
  const vector = () => numLocals++;
  const [counter, std, factor] = [vector(), vector(), vector()];
  const keys = [0, 1].map(() => [vector(), vector(), vector()] as const);
  const streams = Array.from({ length: 2 * groups }, (_, i) => ({
    key: keys[i % 2]!,
    counter: lanes.addInts(get(counter), lanes.ints(4 * (i >> 1))),
    x0: vector(),
    x1: vector(),
  }));

  const begin = [
    ...keys.flatMap(([k0, k1, k2], i) => [
      ...set(k0, lanes.fromInt(get(2 * i))),
      ...set(k1, lanes.fromInt(get(2 * i + 1))),
      ...set(k2, lanes.xor(lanes.xor(get(k0), get(k1)), lanes.ints(keyParity))),
    ]),
    ...set(counter, lanes.addInts(lanes.fromInt(get(4)), lanes.ints(0, 1, 2, 3))),
    ...set(std, lanes.fromFloat(get(6))),
    ...set(factor, lanes.fromFloat(get(7))),
  ];

  const body: number[] = [];
  for (const { key, counter: own, x0, x1 } of streams)
    body.push(...set(x0, get(key[0])), ...set(x1, lanes.addInts(own, get(key[1]))));
  for (let group = 0; group < 5; group++) {
    for (const by of rotations[group % 2]!) {
      for (const { x0, x1 } of streams) body.push(...set(x0, lanes.addInts(get(x0), get(x1))));
      for (const { x0, x1 } of streams) {
        const rotated = lanes.or(lanes.left(get(x1), by), lanes.right(get(x1), 32 - by));
        body.push(...set(x1, lanes.xor(rotated, get(x0))));
      }
    }
    for (const { key, x0, x1 } of streams) {
      const second = lanes.addInts(get(x1), get(key[(group + 2) % 3]!));
      body.push(
        ...set(x0, lanes.addInts(get(x0), get(key[(group + 1) % 3]!))),
        ...set(x1, lanes.addInts(second, lanes.ints(group + 1))),
      );
    }
  }
  // 23 bits as the fraction of a number in [1, 2), less 1.
  for (const { x0, x1 } of streams) {
    const fraction = lanes.right(lanes.xor(get(x0), get(x1)), 9);
    body.push(...set(x0, lanes.sub(lanes.or(fraction, lanes.ints(0x3f800000)), lanes.floats(1))));
  }
  for (let i = 0; i < groups; i++) {
    const [radius, angle] = [streams[2 * i]!, streams[2 * i + 1]!];
    body.push(...radiusOf(radius.x0, radius.x1, vector(), vector()));
    body.push(...cosine(angle.x0, angle.x1, vector(), vector()));
    const scaled = lanes.mul(lanes.mul(get(radius.x1), get(angle.x0)), get(std));
    body.push(...lanes.store(get(address), lanes.mul(scaled, get(factor)), 16 * i));
  }
  body.push(
    ...set(counter, lanes.addInts(get(counter), lanes.ints(4 * groups))),
    ...set(address, addInt(get(address), int(16 * groups))),
  );
  const loop = repeatWhileLess(body, get(address), get(5));
  return instantiate(parameters, 1, numLocals - address - 1, [...begin, ...loop]);
}

/** `result ← √(−2 log1p(−u))` of `u` in [0, 1); all locals are overwritten. */
function radiusOf(u: number, result: number, series: number, own: number): number[] {
  const x = u;
  const m = result;
  return [
    // Not a change of sign: of 0 that is another 0.
    ...set(x, lanes.sub(lanes.floats(0), get(u))),
    ...set(series, lanes.max(lanes.min(get(x), lanes.floats(0.2)), lanes.floats(-0.2))),
    ...set(
      series,
      lanes.mul(
        polynomial(get(series), [1, -1 / 2, 1 / 3, -1 / 4, 1 / 5, -1 / 6, 1 / 7, -1 / 8, 1 / 9, -1 / 10]),
        get(series),
      ),
    ),
    ...logarithm(lanes.add(get(x), lanes.floats(1)), m, own),
    ...set(m, lanes.select(get(series), get(m), lanes.lessEqual(lanes.abs(get(x)), lanes.floats(0.2)))),
    ...set(result, lanes.sqrt(lanes.mul(get(m), lanes.floats(-2)))),
  ];
}

/** `result ← ln(x)`, `x` positive: `x = m·2^e`, and a series of `t = (m − 1)/(m + 1)`. */
function logarithm(x: Code, result: number, bits: number): number[] {
  const t = result;
  const exponent = lanes.toFloats(lanes.addInts(lanes.right(get(bits), 23), lanes.ints(-127)));
  const series = lanes.mul(polynomial(lanes.mul(get(t), get(t)), [2, 2 / 3, 2 / 5, 2 / 7]), get(t));
  return [
    ...set(bits, x),
    ...set(t, lanes.or(lanes.and(get(bits), lanes.ints(0x7fffff)), lanes.ints(0x3f800000))),
    ...set(t, lanes.div(lanes.sub(get(t), lanes.floats(1)), lanes.add(get(t), lanes.floats(1)))),
    ...set(t, lanes.add(series, lanes.mul(exponent, lanes.floats(Math.LN2)))),
  ];
}

/** `u ← cos(2πu)`: to `[−π, π]`, then to a quarter turn `q` and a rest `z` of polynomials in `z²`. */
function cosine(u: number, q: number, z: number, square: number): number[] {
  const y = u;
  const sine = lanes.mul(polynomial(get(square), [1, -1 / 6, 1 / 120, -1 / 5040]), get(z));
  const even = polynomial(get(square), [1, -1 / 2, 1 / 24, -1 / 720, 1 / 40320]);
  const isOdd = lanes.rightSigned(lanes.left(get(q), 31), 31);
  const sign = lanes.left(lanes.and(lanes.addInts(get(q), lanes.ints(1)), lanes.ints(2)), 30);
  const turn = lanes.floats(2 * Math.PI);
  const turns = lanes.nearest(lanes.mul(get(y), lanes.floats(1 / (2 * Math.PI))));
  return [
    ...set(y, lanes.mul(get(u), turn)),
    ...set(y, lanes.sub(get(y), lanes.mul(turns, turn))),
    ...set(q, lanes.nearest(lanes.mul(get(y), lanes.floats(2 / Math.PI)))),
    ...set(z, lanes.sub(get(y), lanes.mul(get(q), lanes.floats(Math.PI / 2)))),
    ...set(q, lanes.toInts(get(q))),
    ...set(square, lanes.mul(get(z), get(z))),
    ...set(u, lanes.xor(lanes.select(sine, even, isOdd), sign)),
  ];
}

let made: ReturnType<typeof normalModule> | null = null;

/**
 * Independent normal numbers: those of `random.normal(key, [size]).mul(std).mul(factor)` of jax-js, bit for bit, some five times faster and
 * without its memory.
 *
 * @param key - the two words of the random key
 * @param size - how many, below 2³²
 * @param factor - a second factor, rounded after the first. Default 1.
 *
 * Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3, 2011 (Threefry-2x32 with 20 rounds); Box and Muller, 1958.
 *
 * @example
 * ```ts
 * const expected = random.normal(random.key(7), [3]).mul(0.5).dataSync();
 * normalNumbers([0, 7], 3, 0.5).every((x, i) => x === expected[i]); // => true
 * ```
 */
export function normalNumbers(
  key: KeyWords,
  size: number,
  std: number,
  factor = 1,
): Float32Array<ArrayBuffer> {
  made ??= normalModule();
  const { run, memory } = made;
  const page = new Float32Array(memory);
  const numbers = new Float32Array(size);
  const [radiusKey, angleKey] = [threefry(key, 0, 0), threefry(key, 0, 1)];
  const pageSize = pageBytes / 4;
  for (let from = 0; from < size; from += pageSize) {
    const count = Math.min(pageSize, size - from);
    run(...radiusKey, ...angleKey, from, 4 * count, std, factor);
    numbers.set(count === pageSize ? page : page.subarray(0, count), from);
  }
  return numbers;
}
