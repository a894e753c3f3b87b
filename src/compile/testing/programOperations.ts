import { type DType, lax, nn, numpy as np, vmap } from "@jax-js/jax";
import { int32, randomArray } from "./arrays.ts";
import {
  type Choices,
  isExact,
  maxRank,
  type Operation,
  type RandomProgram,
  sizeOfShape,
  type ValueType,
} from "./randomProgram.ts";

/** The grain of a value that was rounded. */
const rounded = Number.POSITIVE_INFINITY;
const isFloat = ({ dtype }: ValueType) => dtype === "float32";
const isInt = ({ dtype }: ValueType) => dtype === "int32";
const isBool = ({ dtype }: ValueType) => dtype === "bool";
const any = () => true;
const exactFloat = (type: ValueType) => isFloat(type) && isExact(type);
const range = (n: number) => Array.from({ length: n }, (_, i) => i);
const withShape = (type: ValueType, shape: readonly number[]): ValueType => ({ ...type, shape });
/** Marks a type as rounded if it can't be exact any more. */
const checked = (type: ValueType): ValueType => (isExact(type) ? type : { ...type, grain: rounded });

// Movement ---------------------------------------------------------------------------------------------------------------

const transpose: Operation = (p, c) => {
  const x = p.select(c, ({ shape }) => shape.length > 1);
  if (x === null) return false;
  const type = p.type(x);
  const perm = c.order(type.shape.length);
  // The identity would test nothing.
  if (perm.every((axis, i) => axis === i)) perm.reverse();
  return (
    p.emit(
      `transpose ${perm}`,
      [x],
      withShape(
        type,
        perm.map((i) => type.shape[i]!),
      ),
      (a) => a.transpose(perm),
    ) !== null
  );
};

const reshape: Operation = (p, c) => {
  const x = p.select(c, any);
  if (x === null) return false;
  const type = p.type(x);
  const size = sizeOfShape(type.shape);
  const kind = c.pick(4);
  let shape = [...type.shape];
  if (kind === 0) {
    // Any factorization of the size into up to four factors.
    shape = [];
    let rest = size;
    while (rest > 1 && shape.length < 3) {
      const divisors = range(rest).flatMap((i) => (rest % (i + 1) === 0 ? [i + 1] : []));
      const factor = c.of(divisors.reverse());
      shape.push(factor);
      rest /= factor;
    }
    if (rest > 1) shape.push(rest);
  } else if (kind === 1 && shape.length > 1) {
    const axis = c.pick(shape.length - 1);
    shape.splice(axis, 2, shape[axis]! * shape[axis + 1]!);
  } else if (kind === 2) {
    shape.splice(c.pick(shape.length + 1), 0, 1);
  } else {
    shape = shape.filter((s) => s !== 1);
  }
  return p.emit(`reshape ${shape}`, [x], withShape(type, shape), (a) => a.reshape(shape)) !== null;
};

const broadcast: Operation = (p, c) => {
  const x = p.select(c, ({ shape }) => shape.length < maxRank);
  if (x === null) return false;
  const type = p.type(x);
  const shape = type.shape.map((s) => (s === 1 ? 1 + c.pick(4) : s));
  if (c.flag() || shape.every((s, i) => s === type.shape[i])) shape.unshift(2 + c.pick(3));
  return (
    p.emit(`broadcast ${shape}`, [x], withShape(type, shape), (a) => np.broadcastTo(a, [...shape])) !== null
  );
};

const slice: Operation = (p, c) => {
  const x = p.select(c, ({ shape }) => shape.length > 0);
  if (x === null) return false;
  const type = p.type(x);
  const index = type.shape.map((size): number | [number, number] | [] => {
    const kind = c.pick(4);
    if (kind === 0) return [];
    if (kind === 1) return c.pick(size);
    const start = c.pick(size);
    return [start, start + 1 + c.pick(size - start)];
  });
  const shape = index.flatMap((cut, i) => {
    if (typeof cut === "number") return [];
    return [cut.length === 0 ? type.shape[i]! : cut[1] - cut[0]];
  });
  return (
    p.emit(`slice ${JSON.stringify(index)}`, [x], withShape(type, shape), (a) => a.slice(...index)) !== null
  );
};

const pad: Operation = (p, c) => {
  const x = p.select(c, ({ shape }) => shape.length > 0);
  if (x === null) return false;
  const type = p.type(x);
  const width = type.shape.map((): [number, number] => [c.pick(3), c.pick(2)]);
  const shape = type.shape.map((size, i) => size + width[i]![0] + width[i]![1]);
  return (
    p.emit(`pad ${JSON.stringify(width)}`, [x], withShape(type, shape), (a) => np.pad(a, width)) !== null
  );
};

const flip: Operation = (p, c) => {
  const x = p.select(c, ({ shape }) => shape.length > 0);
  if (x === null) return false;
  const type = p.type(x);
  const axes = c.subset(range(type.shape.length));
  return (
    p.emit(`flip ${axes}`, [x], type, (a) => (axes.length === 0 ? np.flip(a) : np.flip(a, axes))) !== null
  );
};

/** Cuts or pads `b` (with axes before it) to the shape of `a` but for one axis, and joins them. */
const concatenate: Operation = (p, c) => {
  const a = p.select(c, ({ shape }) => shape.length > 0);
  if (a === null) return false;
  const type = p.type(a);
  const b = p.select(c, ({ shape, dtype }) => dtype === type.dtype && shape.length <= type.shape.length)!;
  const other = p.type(b);
  const axis = c.pick(type.shape.length);
  const bShape = [...range(type.shape.length - other.shape.length).map(() => 1), ...other.shape];
  const widths = bShape.map((size, i): [number, number] => [
    0,
    i === axis ? 0 : Math.max(0, type.shape[i]! - size),
  ]);
  const cuts = bShape.map((size, i): [number, number] => [0, i === axis ? size : type.shape[i]!]);
  const shape = type.shape.with(axis, type.shape[axis]! + bShape[axis]!);
  const result = checked({
    shape,
    dtype: type.dtype,
    bound: Math.max(type.bound, other.bound),
    grain: Math.max(type.grain, other.grain),
  });
  const emitted = p.emit(`concatenate ${axis}, second padded and cut`, [a, b], result, (x, y) =>
    np.concatenate([x!, np.pad(y!.reshape(bShape), widths).slice(...cuts)], axis),
  );
  return emitted !== null;
};

const split: Operation = (p, c) => {
  const x = p.select(c, ({ shape }) => shape.some((s) => s > 1));
  if (x === null) return false;
  const type = p.type(x);
  const axis = c.of(range(type.shape.length).filter((i) => type.shape[i]! > 1));
  const at = 1 + c.pick(type.shape[axis]! - 1);
  const types = [at, type.shape[axis]! - at].map((size) => withShape(type, type.shape.with(axis, size)));
  return p.emitAll(`split axis ${axis} at ${at}`, [x], types, ([a]) => np.split(a!, [at], axis)) !== null;
};

const repeat: Operation = (p, c) => {
  const x = p.select(c, ({ shape }) => shape.length > 0);
  if (x === null) return false;
  const type = p.type(x);
  const axis = c.pick(type.shape.length);
  const times = 2 + c.pick(2);
  const shape = type.shape.with(axis, type.shape[axis]! * times);
  return (
    p.emit(`repeat axis ${axis}, ${times} times`, [x], withShape(type, shape), (a) =>
      np.repeat(a, times, axis),
    ) !== null
  );
};

// Element-wise -----------------------------------------------------------------------------------------------------------

interface Function1 {
  readonly text: string;
  readonly fn: (x: np.Array) => np.Array;
  readonly bound: (bound: number) => number;
}

/** Functions with bounded slopes on the bounded values of a program. */
const smooth: readonly Function1[] = [
  { text: "tanh", fn: np.tanh, bound: () => 1 },
  { text: "sin", fn: np.sin, bound: () => 1 },
  { text: "cos", fn: np.cos, bound: () => 1 },
  { text: "sigmoid", fn: nn.sigmoid, bound: () => 1 },
  { text: "exp(tanh x)", fn: (x) => np.exp(np.tanh(x)), bound: () => 3 },
  { text: "log(1 + x²)", fn: (x) => np.log(np.square(x).add(1)), bound: (b) => Math.log(1 + b * b) },
  { text: "sqrt(1 + x²)", fn: (x) => np.sqrt(np.square(x).add(1)), bound: (b) => 1 + b },
  { text: "1 / (1 + x²)", fn: (x) => np.reciprocal(np.square(x).add(1)), bound: () => 1 },
  { text: "x / (2 + sin x)", fn: (x) => x.ref.div(np.sin(x).add(2)), bound: (b) => b },
  { text: "erf", fn: lax.erf, bound: () => 1 },
  { text: "gelu", fn: (x) => nn.gelu(x, { approximate: false }), bound: (b) => b },
  { text: "silu", fn: nn.silu, bound: (b) => b },
  {
    text: "x³/64",
    fn: (x) =>
      x.ref
        .mul(x.ref)
        .mul(x)
        .mul(1 / 64),
    bound: (b) => b ** 3 / 64,
  },
  { text: "atan", fn: np.atan, bound: () => 2 },
];

const smoothUnary: Operation = (p, c) => {
  const { text, fn, bound } = c.of(smooth);
  const x = p.select(c, isFloat);
  if (x === null) return false;
  const type = p.type(x);
  return p.emit(text, [x], { ...type, bound: bound(type.bound), grain: rounded }, fn) !== null;
};

interface ExactFunction extends Function1 {
  readonly grain: (grain: number) => number;
}

/** Functions that may jump, or whose slope does; applied to exact values only. */
const jumping: readonly ExactFunction[] = [
  { text: "relu", fn: nn.relu, bound: (b) => b, grain: (g) => g },
  { text: "abs", fn: np.absolute, bound: (b) => b, grain: (g) => g },
  { text: "floor", fn: np.floor, bound: (b) => b + 1, grain: () => 0 },
  { text: "ceil", fn: np.ceil, bound: (b) => b + 1, grain: () => 0 },
  { text: "clip ±1", fn: (x) => np.clip(x, -1, 1), bound: () => 1, grain: (g) => Math.max(g, 0) },
  { text: "sign", fn: np.sign, bound: () => 1, grain: () => 0 },
];

const jumpingUnary: Operation = (p, c) => {
  const { text, fn, bound, grain } = c.of(jumping);
  const x = p.select(c, exactFloat);
  if (x === null) return false;
  const type = p.type(x);
  return (
    p.emit(text, [x], checked({ ...type, bound: bound(type.bound), grain: grain(type.grain) }), fn) !== null
  );
};

const linearUnary: Operation = (p, c) => {
  const x = p.select(c, isFloat);
  if (x === null) return false;
  const type = p.type(x);
  const [text, fn, bound, grain] = c.of([
    ["neg", (a: np.Array) => a.neg(), type.bound, type.grain],
    ["· 0.5", (a: np.Array) => a.mul(0.5), type.bound / 2, type.grain + 1],
    ["1 − x", (a: np.Array) => np.subtract(1, a), type.bound + 1, Math.max(type.grain, 0)],
    ["stopGradient", lax.stopGradient, type.bound, type.grain],
    ["x + 0.25", (a: np.Array) => a.add(0.25), type.bound + 1, Math.max(type.grain, 2)],
  ] as const);
  return p.emit(text, [x], checked({ ...type, bound, grain }), fn) !== null;
};

/** Cuts the axes of `b` that can't be broadcast against `a` to their first element. Returns the cuts and the joint shape. */
function broadcastable(
  a: readonly number[],
  b: readonly number[],
): { cuts: [number, number][]; shape: number[] } {
  const rank = Math.max(a.length, b.length);
  const at = (shape: readonly number[], i: number) => shape[i - rank + shape.length] ?? 1;
  const cuts = b.map((size, i): [number, number] => {
    const own = at(a, i + rank - b.length);
    return [0, size === own || own === 1 || size === 1 ? size : 1];
  });
  const cutShape = cuts.map(([, end]) => end);
  return { cuts, shape: range(rank).map((i) => Math.max(at(a, i), at(cutShape, i))) };
}

interface BinaryKind {
  readonly text: string;
  readonly fn: (x: np.Array, y: np.Array) => np.Array;
  readonly bound: (a: number, b: number) => number;
  readonly grain: (a: number, b: number) => number;
  readonly exactOnly?: true;
}

const binaryKinds: readonly BinaryKind[] = [
  { text: "add", fn: (x, y) => x.add(y), bound: (a, b) => a + b, grain: Math.max },
  { text: "sub", fn: (x, y) => x.sub(y), bound: (a, b) => a + b, grain: Math.max },
  {
    text: "mul",
    fn: (x, y) => x.mul(y),
    bound: (a, b) => a * b,
    grain: (a, b) => Math.max(a, 0) + Math.max(b, 0),
  },
  { text: "x / (1 + y²)", fn: (x, y) => x.div(np.square(y).add(1)), bound: (a) => a, grain: () => rounded },
  { text: "max", fn: np.maximum, bound: Math.max, grain: Math.max, exactOnly: true },
  { text: "min", fn: np.minimum, bound: Math.max, grain: Math.max, exactOnly: true },
  {
    text: "mod (2 + |y|)",
    fn: (x, y) => x.mod(np.absolute(np.ceil(y)).add(2)),
    bound: (a) => a,
    grain: (a) => Math.max(a, 0),
    exactOnly: true,
  },
];

const binary: Operation = (p, c) => {
  const { text, fn, bound, grain, exactOnly } = c.of(binaryKinds);
  const fits = exactOnly === true ? exactFloat : isFloat;
  const [a, b] = [p.select(c, fits), p.select(c, fits)];
  if (a === null || b === null) return false;
  const [x, y] = [p.type(a), p.type(b)];
  const { cuts, shape } = broadcastable(x.shape, y.shape);
  const result = checked({
    shape,
    dtype: "float32",
    bound: bound(x.bound, y.bound),
    grain: grain(x.grain, y.grain),
  });
  const swap = exactOnly !== true && c.flag();
  const emitted = p.emit(
    `${text}${swap ? " swapped" : ""}, second cut to ${JSON.stringify(cuts)}`,
    [a, b],
    result,
    (s, t) => {
      const cut = t!.slice(...cuts);
      return swap && text !== "x / (1 + y²)" ? fn(cut, s!) : fn(s!, cut);
    },
  );
  return emitted !== null;
};

const compare: Operation = (p, c) => {
  const dtype = c.of(["float32", "int32"] as const);
  const fits = (type: ValueType) => type.dtype === dtype && isExact(type);
  const [a, b] = [p.select(c, fits), p.select(c, fits)];
  if (a === null || b === null) return false;
  const { cuts, shape } = broadcastable(p.type(a).shape, p.type(b).shape);
  const op = c.of(["less", "lessEqual", "greater", "greaterEqual", "equal", "notEqual"] as const);
  const emitted = p.emit(
    `${op}, second cut to ${JSON.stringify(cuts)}`,
    [a, b],
    { shape, dtype: "bool", bound: 1, grain: 0 },
    (x, y) => x![op](y!.slice(...cuts)),
  );
  return emitted !== null;
};

const where: Operation = (p, c) => {
  const condition = p.select(c, isBool);
  if (condition === null) return false;
  const x = p.select(c, (type) => !isBool(type));
  if (x === null) return false;
  const y = p.select(c, ({ dtype }) => dtype === p.type(x).dtype)!;
  const first = broadcastable(p.type(condition).shape, p.type(x).shape);
  const second = broadcastable(first.shape, p.type(y).shape);
  const [a, b] = [p.type(x), p.type(y)];
  const result = checked({
    shape: second.shape,
    dtype: a.dtype,
    bound: Math.max(a.bound, b.bound),
    grain: Math.max(a.grain, b.grain),
  });
  const emitted = p.emit(
    `where, cut to ${JSON.stringify([first.cuts, second.cuts])}`,
    [condition, x, y],
    result,
    (m, s, t) => np.where(m!, s!.slice(...first.cuts), t!.slice(...second.cuts)),
  );
  return emitted !== null;
};

const booleans: Operation = (p, c) => {
  const a = p.select(c, isBool);
  if (a === null) return false;
  const b = p.select(c, isBool)!;
  const { cuts, shape } = broadcastable(p.type(a).shape, p.type(b).shape);
  const [text, fn] = c.of([
    ["and", np.logicalAnd],
    ["or", np.logicalOr],
    ["xor", np.logicalXor],
    ["not-and", (x: np.Array, y: np.Array) => np.logicalNot(np.logicalAnd(x, y))],
  ] as const);
  const emitted = p.emit(
    `${text}, second cut to ${JSON.stringify(cuts)}`,
    [a, b],
    { shape, dtype: "bool", bound: 1, grain: 0 },
    (x, y) => fn(x!, y!.slice(...cuts)),
  );
  return emitted !== null;
};

const integers: Operation = (p, c) => {
  const a = p.select(c, isInt);
  if (a === null) return false;
  const b = p.select(c, isInt)!;
  const { cuts, shape } = broadcastable(p.type(a).shape, p.type(b).shape);
  // Results are cut, so that they stay small.
  const [text, fn] = c.of([
    ["add", (x: np.Array, y: np.Array) => x.add(y)],
    ["mul", (x: np.Array, y: np.Array) => x.mul(y)],
    ["sub", (x: np.Array, y: np.Array) => x.sub(y)],
    ["max", np.maximum],
    ["and", np.bitwiseAnd],
    ["xor", np.bitwiseXor],
    ["idiv (|y| + 1)", (x: np.Array, y: np.Array) => x.div(np.absolute(y).add(1))],
    ["mod (|y| + 1)", (x: np.Array, y: np.Array) => x.mod(np.absolute(y).add(1))],
  ] as const);
  const emitted = p.emit(
    `integer ${text}, second cut to ${JSON.stringify(cuts)}`,
    [a, b],
    { shape, dtype: "int32", bound: 128, grain: 0 },
    (x, y) => np.clip(fn(x!, y!.slice(...cuts)), -128, 128),
  );
  return emitted !== null;
};

const cast: Operation = (p, c) => {
  const x = p.select(c, isExact);
  if (x === null) return false;
  const type = p.type(x);
  const to = c.of((["float32", "int32", "bool"] as const).filter((dtype) => dtype !== type.dtype));
  const result: ValueType = { shape: type.shape, dtype: to, bound: to === "bool" ? 1 : type.bound, grain: 0 };
  return p.emit(`cast to ${to}`, [x], result, (a) => a.astype(to as DType)) !== null;
};

// Reductions and products --------------------------------------------------------------------------------------------------

const reduce: Operation = (p, c) => {
  const kind = c.of(["sum", "mean", "max", "min", "prod"] as const);
  const jumps = kind === "max" || kind === "min";
  const x = p.select(c, jumps ? (type) => !isBool(type) && isExact(type) : isFloat);
  if (x === null) return false;
  const type = p.type(x);
  let axes = c.subset(range(type.shape.length));
  if (axes.length === 0) axes = range(type.shape.length);
  const keepdims = c.flag();
  const count = sizeOfShape(axes.map((axis) => type.shape[axis]!));
  const shape = keepdims
    ? type.shape.map((size, i) => (axes.includes(i) ? 1 : size))
    : type.shape.filter((_, i) => !axes.includes(i));
  // Factors of a product lie between 1/2 and 3/2, so that neither it nor its logarithm is large.
  const factor = 2 ** -Math.ceil(Math.log2(2 * type.bound));
  if (kind === "prod" && count > 12) return false;
  const [bound, grain] = {
    sum: [type.bound * count, type.grain],
    mean: [type.bound, rounded],
    max: [type.bound, type.grain],
    min: [type.bound, type.grain],
    prod: [1.5 ** count, rounded],
  }[kind] as [number, number];
  const emitted = p.emit(
    `${kind} over ${axes}${keepdims ? " keepdims" : ""}${kind === "prod" ? ` of 1 + ${factor} x` : ""}`,
    [x],
    checked({ shape, dtype: type.dtype, bound, grain }),
    (a) =>
      kind === "prod" ? np.prod(a!.mul(factor).add(1), axes, { keepdims }) : np[kind](a!, axes, { keepdims }),
  );
  return emitted !== null;
};

const logical: Operation = (p, c) => {
  const x = p.select(c, isBool);
  if (x === null) return false;
  const { shape } = p.type(x);
  let axes = c.subset(range(shape.length));
  if (axes.length === 0) axes = range(shape.length);
  const kind = c.of(["any", "all"] as const);
  const kept = shape.filter((_, i) => !axes.includes(i));
  const type: ValueType = { shape: kept, dtype: "bool", bound: 1, grain: 0 };
  return p.emit(`${kind} over ${axes}`, [x], type, (a) => np[kind](a, axes)) !== null;
};

/** A product by Einstein's convention: axes of the two operands are paired at random, kept or summed, in a random order. */
const einsum: Operation = (p, c) => {
  const [a, b] = [p.select(c, isFloat), p.select(c, isFloat)];
  if (a === null || b === null) return false;
  const [x, y] = [p.type(a), p.type(b)];
  const letters = "abcdefghijkl";
  const sizes = new Map<string, number>();
  const first = x.shape.map((size, i) => {
    sizes.set(letters[i]!, size);
    return letters[i]!;
  });
  const free = new Set(first);
  const second = y.shape.map((size, i) => {
    const partners = [...free].filter((letter) => sizes.get(letter) === size);
    // Pairing is the default: an outer product of everything would soon be too large.
    const k = partners.length === 0 ? 0 : c.pick(partners.length + 1);
    if (k < partners.length) {
      free.delete(partners[k]!);
      return partners[k]!;
    }
    const letter = letters[x.shape.length + i]!;
    sizes.set(letter, size);
    return letter;
  });
  const all = [...new Set([...first, ...second])];
  const shared = all.filter((letter) => first.includes(letter) && second.includes(letter));
  // 0 contracts what both have and keeps the rest.
  const kept = all.filter((letter) => (c.pick(4) === 0) !== shared.includes(letter));
  const result = c.order(kept.length).map((i) => kept[i]!);
  const summed = sizeOfShape(
    all.filter((letter) => !kept.includes(letter)).map((letter) => sizes.get(letter)!),
  );
  const subscripts = `${first.join("")},${second.join("")}->${result.join("")}`;
  const emitted = p.emit(
    `einsum ${subscripts}`,
    [a, b],
    checked({
      shape: result.map((letter) => sizes.get(letter)!),
      dtype: "float32",
      bound: x.bound * y.bound * summed,
      grain: Math.max(x.grain, 0) + Math.max(y.grain, 0),
    }),
    (s, t) => np.einsum(subscripts, s!, t!),
  );
  return emitted !== null;
};

/** `matmul` or `dot` of two matrices (or batches), the second moved so that its shape fits. */
const matmul: Operation = (p, c) => {
  const a = p.select(c, (type) => isFloat(type) && type.shape.length > 0);
  if (a === null) return false;
  const x = p.type(a);
  const inner = x.shape.at(-1)!;
  const b = p.select(c, (type) => isFloat(type) && type.shape.includes(inner));
  if (b === null) return false;
  const y = p.type(b);
  const axis = c.of(range(y.shape.length).filter((i) => y.shape[i] === inner));
  const rest = range(y.shape.length).filter((i) => i !== axis);
  const order = c.order(rest.length).map((i) => rest[i]!);
  // The contracted axis comes last but one (or last of a vector).
  const perm = order.length === 0 ? [axis] : [...order.slice(0, -1), axis, order.at(-1)!];
  const moved = perm.map((i) => y.shape[i]!);
  const grain = Math.max(x.grain, 0) + Math.max(y.grain, 0);
  const type = (shape: readonly number[]) =>
    checked({ shape, dtype: "float32", bound: x.bound * y.bound * inner, grain });
  if (c.flag()) {
    const shape = [...x.shape.slice(0, -1), ...moved.filter((_, i) => i !== Math.max(0, moved.length - 2))];
    return (
      p.emit(`dot, second moved ${perm}`, [a, b], type(shape), (s, t) => np.dot(s!, t!.transpose(perm))) !==
      null
    );
  }
  if (x.shape.length < 2 || moved.length < 2) return false;
  // jax-js puts the axes that only one operand has in another place than NumPy: give both the same rank.
  const rank = Math.max(x.shape.length, moved.length);
  const raised = (shape: readonly number[]) => [...range(rank - shape.length).map(() => 1), ...shape];
  const [xShape, yShape] = [raised(x.shape), raised(moved)];
  const { cuts, shape: batch } = broadcastable(xShape.slice(0, -2), yShape.slice(0, -2));
  const shape = [...batch, xShape.at(-2)!, yShape.at(-1)!];
  const emitted = p.emit(`matmul, second moved ${perm} and cut`, [a, b], type(shape), (s, t) =>
    np.matmul(
      s!.reshape(xShape),
      t!
        .transpose(perm)
        .reshape(yShape)
        .slice(...cuts),
    ),
  );
  return emitted !== null;
};

/** A matrix times its own transpose: both operands lie in the same buffer. */
const gram: Operation = (p, c) => {
  const a = p.select(c, (type) => isFloat(type) && type.shape.length > 1);
  if (a === null) return false;
  const x = p.type(a);
  const left = c.flag();
  const [m, k] = left ? [x.shape.at(-2)!, x.shape.at(-1)!] : [x.shape.at(-1)!, x.shape.at(-2)!];
  const type = checked({
    shape: [...x.shape.slice(0, -2), m, m],
    dtype: "float32",
    bound: x.bound ** 2 * k,
    grain: 2 * Math.max(x.grain, 0),
  });
  const emitted = p.emit(left ? "x xᵀ" : "xᵀ x", [a], type, (s) => {
    const t = np.swapaxes(s!.ref, -1, -2);
    return left ? np.matmul(s!, t) : np.matmul(t, s!);
  });
  return emitted !== null;
};

const softmax: Operation = (p, c) => {
  const x = p.select(c, (type) => isFloat(type) && type.shape.length > 0);
  if (x === null) return false;
  const type = p.type(x);
  const axis = c.pick(type.shape.length);
  const [text, fn, bound] = c.of([
    ["softmax", (a: np.Array) => nn.softmax(a, axis), 1],
    ["logSoftmax", (a: np.Array) => nn.logSoftmax(a, axis), 2 * type.bound + 8],
    [
      "RMS norm",
      (a: np.Array) => a.ref.div(np.sqrt(np.square(a).mean(axis, { keepdims: true }).add(0.5))),
      8,
    ],
  ] as const);
  return p.emit(`${text} over ${axis}`, [x], { ...type, bound, grain: rounded }, fn) !== null;
};

const cumulative: Operation = (p, c) => {
  const x = p.select(c, (type) => isFloat(type) && type.shape.length > 0);
  if (x === null) return false;
  const type = p.type(x);
  const axis = c.pick(type.shape.length);
  const result = checked({ ...type, bound: type.bound * type.shape[axis]! });
  return p.emit(`cumsum over ${axis}`, [x], result, (a) => np.cumsum(a, axis)) !== null;
};

/**
 * The same values in an array of their own. jax-js 0.1.25 hands sorts and scatters (the gradients of gathers) the whole
 * buffer of an array that is the beginning of another one.
 */
const stored = (x: np.Array): np.Array => x.mul(1);

// Indexing -----------------------------------------------------------------------------------------------------------------

/** An index array in [0, size): written in the program, or an integer value cut to that range. */
function indices(p: RandomProgram, c: Choices, size: number) {
  const computed = c.flag() ? p.select(c, (type) => isInt(type) && type.shape.length <= 2) : null;
  if (computed !== null) {
    // (A remainder would do, but jax-js loses integer remainders under grad.)
    const make = (x: np.Array) => np.clip(x, 0, size - 1);
    return { value: computed, shape: p.type(computed).shape, make, text: `v${computed} cut to ${size}` };
  }
  const shape = c.of([[3], [], [2, 2], [1], [5]]);
  const numbers = range(sizeOfShape(shape)).map(() => c.pick(size));
  return { value: null, shape, make: () => int32(shape, numbers), text: `[${numbers}]` };
}

const take: Operation = (p, c) => {
  const x = p.select(c, ({ shape }) => shape.length > 0);
  if (x === null) return false;
  const type = p.type(x);
  const axis = c.pick(type.shape.length);
  const { value, shape: indexShape, make, text } = indices(p, c, type.shape[axis]!);
  const shape = [...type.shape.slice(0, axis), ...indexShape, ...type.shape.slice(axis + 1)];
  const inputs = value === null ? [x] : [x, value];
  return (
    p.emit(`take axis ${axis} at ${text}`, inputs, withShape(type, shape), (a, i) =>
      stored(np.take(a!, make(i!), axis)),
    ) !== null
  );
};

/** Two axes indexed at once, beside each other or apart. */
const takeTwo: Operation = (p, c) => {
  const x = p.select(c, ({ shape }) => shape.length > 1);
  if (x === null) return false;
  const type = p.type(x);
  const axes = c
    .order(type.shape.length)
    .slice(0, 2)
    .sort((a, b) => a - b);
  const count = 1 + c.pick(4);
  const lists = axes.map((axis) => range(count).map(() => c.pick(type.shape[axis]!)));
  const rest = type.shape.filter((_, i) => !axes.includes(i));
  const adjacent = axes[1] === axes[0]! + 1;
  const shape = adjacent ? [...rest.slice(0, axes[0]), count, ...rest.slice(axes[0])] : [count, ...rest];
  const emitted = p.emit(`take axes ${axes} at ${JSON.stringify(lists)}`, [x], withShape(type, shape), (a) =>
    stored(
      a!.slice(
        ...type.shape.map((_, i) =>
          axes.includes(i) ? int32([count], lists[axes.indexOf(i)]!) : ([] as []),
        ),
      ),
    ),
  );
  return emitted !== null;
};

const sorts: Operation = (p, c) => {
  const x = p.select(c, (type) => !isBool(type) && isExact(type) && type.shape.length > 0);
  if (x === null) return false;
  const type = p.type(x);
  const axis = c.pick(type.shape.length);
  const size = type.shape[axis]!;
  const index: ValueType = { shape: type.shape, dtype: "int32", bound: size, grain: 0 };
  const kind = c.of(["argmax", "sort", "argsort", "takeAlongAxis"] as const);
  switch (kind) {
    case "argmax":
      return (
        p.emit(`argmax over ${axis}`, [x], withShape(index, type.shape.toSpliced(axis, 1)), (a) =>
          np.argmax(a, axis),
        ) !== null
      );
    case "sort":
      return p.emit(`sort along ${axis}`, [x], type, (a) => np.sort(stored(a), axis)) !== null;
    case "argsort":
      return p.emit(`argsort along ${axis}`, [x], index, (a) => np.argsort(stored(a), axis)) !== null;
    case "takeAlongAxis":
      return (
        p.emit(`x in the order of −x along ${axis}`, [x], type, (a) =>
          stored(np.takeAlongAxis(a!.ref, np.argsort(stored(a!.neg()), axis), axis)),
        ) !== null
      );
  }
};

// Windows ------------------------------------------------------------------------------------------------------------------

const pool: Operation = (p, c) => {
  const kind = c.of(["mean", "max"] as const);
  const x = p.select(
    c,
    (type) => (kind === "max" ? exactFloat(type) : isFloat(type)) && type.shape.length > 0,
  );
  if (x === null) return false;
  const type = p.type(x);
  const axes = Math.min(type.shape.length, 1 + c.pick(2));
  const sizes = type.shape.slice(-axes);
  const window = sizes.map((size) => 1 + c.pick(Math.min(3, size)));
  const strides = sizes.map(() => 1 + c.pick(2));
  const shape = [
    ...type.shape.slice(0, -axes),
    ...sizes.map((size, i) => Math.floor((size - window[i]!) / strides[i]!) + 1),
  ];
  const result = { ...type, shape, grain: kind === "max" ? type.grain : rounded };
  const emitted = p.emit(`${kind} pool ${window} by ${strides}`, [x], result, (a) =>
    lax.reduceWindow(a!, (w) => w[kind](), window, strides),
  );
  return emitted !== null;
};

/** A convolution whose kernel is made of elements of another value. */
const conv: Operation = (p, c) => {
  const x = p.select(c, (type) => isFloat(type) && type.shape.length > 1);
  const w = p.select(c, (type) => isFloat(type) && sizeOfShape(type.shape) > 1);
  if (x === null || w === null) return false;
  const [image, source] = [p.type(x), p.type(w)];
  const spatial = Math.min(2, image.shape.length - 1);
  const channels = image.shape.at(-1 - spatial)!;
  const batch = sizeOfShape(image.shape.slice(0, -1 - spatial));
  const sizes = image.shape.slice(-spatial);
  const kernel = sizes.map((size) => 1 + c.pick(Math.min(3, size)));
  const outChannels = 1 + c.pick(3);
  const strides = sizes.map(() => 1 + c.pick(2));
  const dilation = sizes.map((size, i) =>
    kernel[i]! > 1 && (kernel[i]! - 1) * 2 < size ? 1 + c.pick(2) : 1,
  );
  const padding = sizes.map((): [number, number] => [c.pick(2), c.pick(3)]);
  const kernelShape = [outChannels, channels, ...kernel];
  const places = range(sizeOfShape(kernelShape)).map((i) => (i * 7) % sizeOfShape(source.shape));
  const outSizes = sizes.map((size, i) => {
    const reach = (kernel[i]! - 1) * dilation[i]! + 1;
    return Math.floor((size + padding[i]![0] + padding[i]![1] - reach) / strides[i]!) + 1;
  });
  const emitted = p.emit(
    `conv kernel ${kernelShape} strides ${strides} dilation ${dilation} padding ${JSON.stringify(padding)}`,
    [x, w],
    {
      shape: [batch, outChannels, ...outSizes],
      dtype: "float32",
      bound: image.bound * source.bound * channels * sizeOfShape(kernel),
      grain: rounded,
    },
    (a, b) =>
      lax.convGeneralDilated(
        a!.reshape([batch, channels, ...sizes]),
        stored(np.take(b!.reshape([-1]), int32([places.length], places), 0)).reshape(kernelShape),
        strides,
        padding,
        { rhsDilation: dilation },
      ),
  );
  return emitted !== null;
};

// Functions of functions ---------------------------------------------------------------------------------------------------

/** `vmap` over one axis of a function that moves, reduces and multiplies. */
const mapped: Operation = (p, c) => {
  const x = p.select(c, (type) => isFloat(type) && type.shape.length > 1);
  if (x === null) return false;
  const type = p.type(x);
  const axis = c.pick(type.shape.length);
  const rest = type.shape.toSpliced(axis, 1);
  const [text, fn, shape, bound] = c.of([
    [
      "flip, then add its first row",
      (a: np.Array) => np.flip(a.ref, 0).add(a.slice([0, 1])),
      rest,
      2 * type.bound,
    ],
    ["reverse the axes", (a: np.Array) => a.transpose(), [...rest].reverse(), type.bound],
    [
      "outer product of sums",
      (a: np.Array) => np.outer(a.ref.reshape([-1]).slice([0, 1]), a.sum(0).reshape([-1])),
      [1, sizeOfShape(rest.slice(1))],
      type.bound ** 2 * rest[0]!,
    ],
    [
      "take its last row",
      (a: np.Array) => stored(np.take(a, int32([1], [rest[0]! - 1]), 0)),
      [1, ...rest.slice(1)],
      type.bound,
    ],
  ] as const);
  const result: ValueType = { shape: [type.shape[axis]!, ...shape], dtype: "float32", bound, grain: rounded };
  return p.emit(`vmap over ${axis}: ${text}`, [x], result, (a) => vmap(fn, [axis])(a!)) !== null;
};

/** A constant of its own: captured by the traced function. */
const constant: Operation = (p, c) => {
  const x = p.select(c, isFloat);
  if (x === null) return false;
  const type = p.type(x);
  const seed = c.pick(1000);
  const result: ValueType = { ...type, grain: rounded, bound: type.bound + 1 };
  return (
    p.emit(`plus a constant array ${seed}`, [x], result, (a) => a!.add(randomArray(seed, type.shape))) !==
    null
  );
};

/** All operations, with the more telling ones several times. */
export const programOperations: readonly Operation[] = [
  binary,
  transpose,
  einsum,
  reduce,
  reshape,
  smoothUnary,
  slice,
  broadcast,
  matmul,
  take,
  pad,
  concatenate,
  flip,
  linearUnary,
  einsum,
  binary,
  transpose,
  reshape,
  reduce,
  smoothUnary,
  matmul,
  split,
  compare,
  where,
  jumpingUnary,
  cast,
  gram,
  softmax,
  takeTwo,
  sorts,
  integers,
  booleans,
  logical,
  cumulative,
  repeat,
  pool,
  conv,
  mapped,
  constant,
  where,
];
