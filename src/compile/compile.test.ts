import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import test from "node:test";
import { DType, grad, jit, lax, numpy as np, tree, valueAndGrad, vmap } from "@jax-js/jax";
import fc from "fast-check";
import * as ort from "#onnxruntime";
import { OwnershipError, ShapeError } from "../errors.ts";
import { compile, compileStep, EngineArray, EngineError, toEngine } from "./index.ts";

const float32 = (values: number[], shape: number[] = [values.length]) =>
  np.array(Float32Array.from(values), { shape });
const valuesOf = (array: { dataSync(): ArrayLike<number> }) => Array.from(array.dataSync());

test("has the interface of jit: the same trees in and out", async () => {
  const fn = ({ w, x }: { w: np.Array; x: [np.Array, np.Array] }, scale: np.Array) => ({
    product: np.matmul(x[0], w.ref),
    list: [x[1].mul(scale), w],
  });
  const args = () =>
    [
      {
        w: float32([1, 2, 3, 4], [2, 2]),
        x: [float32([1, 1], [1, 2]), float32([5])] as [np.Array, np.Array],
      },
      np.array(2),
    ] as const;
  await using compiled = compile(fn);
  const actual = await compiled(...args());
  const expected = jit(fn)(...args());
  assert.deepEqual(Object.keys(actual), ["product", "list"]);
  assert.deepEqual(tree.structure(actual).toString(), tree.structure(expected).toString());
  assert.deepEqual(actual.product.shape, [1, 2]);
  assert.deepEqual(valuesOf(actual.product), valuesOf(expected.product));
  assert.deepEqual(actual.list.map(valuesOf), expected.list.map(valuesOf));
});

test("is traced once per combination of shapes and dtypes", async () => {
  let traces = 0;
  await using compiled = compile((x: np.Array) => {
    traces++;
    return x.add(1);
  });
  for (const args of [float32([1, 2]), float32([3, 4]), float32([1]), float32([1], [1, 1])]) {
    (await compiled(args)).dispose();
  }
  assert.equal(traces, 3);
  (await compiled(np.array([1, 2], { dtype: DType.Int32 }))).dispose();
  assert.equal(traces, 4);
  // A call while the first of its kind is still being loaded waits for it.
  await Promise.all([1, 2, 3].map(async () => (await compiled(float32([1, 2, 3]))).dispose()));
  assert.equal(traces, 5);
});

test("consumes arrays of jax-js, and leaves those of the engine and numbers", async () => {
  await using compiled = compile((x: np.Array, y: np.Array, z: np.Array) => x.mul(y).add(z));
  const x = float32([1, 2]);
  const kept = x.ref;
  assert.equal(x.refCount, 2);
  const y = EngineArray.from(Float32Array.of(3, 4), [2]);
  for (const result of [await compiled(x, y, 1), await compiled(kept.ref, y, 1)]) {
    assert.deepEqual(valuesOf(result), [4, 9]);
  }
  assert.equal(kept.refCount, 1);
  assert.deepEqual([...y.data], [3, 4]);
  (await compiled(kept, y, 1)).dispose();
  assert.throws(() => kept.ref, /ReferenceError|Referenc|freed|disposed/);
});

test("what can't be compiled consumes nothing", async () => {
  await using compiled = compile((x: np.Array) => np.linalg.det(x));
  const x = float32([1, 0, 0, 1], [2, 2]);
  await assert.rejects(compiled(x), /primitive "lu"/);
  assert.equal(x.refCount, 1);
  await using reading = compile((y: np.Array) => np.array(y.js() as number[]));
  await assert.rejects(reading(x));
  assert.equal(x.refCount, 1);
  x.dispose();
});

test("results can stay in the engine", async () => {
  await using compiled = compile((x: np.Array) => ({ twice: x.ref.add(x.ref), flags: x.greater(1) }), {
    outputs: "engine",
  });
  const result = (await compiled(float32([1, 2]))) as Record<"twice" | "flags", EngineArray>;
  assert.ok(result.twice instanceof EngineArray && result.flags.dtype === DType.Bool);
  assert.deepEqual([...result.twice.data], [2, 4]);
  assert.deepEqual([...result.flags.data], [0, 1]);
  assert.deepEqual(valuesOf(result.flags.toArray()), [0, 1]);
});

test("an ONNX file for anyone's runtime, which computes the same", async () => {
  const fn = (w: np.Array, x: np.Array) => np.tanh(np.matmul(x, w)).sum(-1);
  await using compiled = compile(fn, { name: "scores" });
  const [w, x] = [float32([0.5, -1, 0.25, 2], [2, 2]), float32([1, 2, 3, 4], [2, 2])];
  const bytes = await compiled.toOnnx(w, x);
  const session = await ort.InferenceSession.create(bytes);
  assert.deepEqual([session.inputNames, session.outputNames], [["in0", "in1"], ["out0"]]);
  const feeds = {
    in0: new ort.Tensor("float32", Float32Array.of(0.5, -1, 0.25, 2), [2, 2]),
    in1: new ort.Tensor("float32", Float32Array.of(1, 2, 3, 4), [2, 2]),
  };
  const outside = (await session.run(feeds)).out0!.data as Float32Array;
  await session.release();
  assert.deepEqual(valuesOf(await compiled(w, x)), [...outside]);
});

test("equal constants are stored once; a single element keeps them apart", async () => {
  const length = 10_000;
  const values = Float32Array.from({ length }, (_, i) => Math.sin(i));
  await fc.assert(
    fc.asyncProperty(fc.nat(length - 1), async (place) => {
      const [first, equal, other] = [values.slice(), values.slice(), values.slice()];
      other[place] = 2;
      const captured = [first, equal, other].map((data) => np.array(data));
      await using compiled = compile((x: np.Array) => {
        const products = captured.map((constant) => x.ref.mul(constant.ref));
        x.dispose();
        return products;
      });
      const x = np.array(3);
      const { length: size } = await compiled.toOnnx(x.ref);
      assert.ok(size > 8 * length && size < 9 * length, `${size} bytes`);
      const products = await compiled(x);
      for (const [i, data] of [first, equal, other].entries())
        assert.deepEqual(
          valuesOf(products[i]!),
          Array.from(data, (value) => Math.fround(3 * value)),
        );
      for (const constant of captured) constant.dispose();
    }),
    { numRuns: 20 },
  );
});

test("an array that repeats one number is captured as that number", async () => {
  const shape = [100, 100];
  const size = 100 * 100;
  const repeated = [
    ...[0, -0, Number.NaN, Number.POSITIVE_INFINITY, 0.1].map((value) => new Float32Array(size).fill(value)),
    new Int32Array(size).fill(-3),
    new Uint32Array(size).fill(2 ** 32 - 1),
  ];
  for (const data of repeated) {
    const constant = np.array(data, { shape });
    const fn = (x: np.Array) => [x, constant.ref];
    await using compiled = compile(fn);
    const bytes = await compiled.toOnnx(np.array(1));
    assert.ok(bytes.length < 1000, `${bytes.length} bytes`);
    const [, actual] = await compiled(np.array(1));
    assert.deepEqual(actual!.shape, shape);
    assert.deepEqual(valuesOf(actual!), Array.from(data));
    constant.dispose();
  }
  // One other element is no repetition, and be it -0 among zeros.
  for (const other of [1, -0]) {
    const almost = new Float32Array(size);
    almost[size - 1] = other;
    const constant = np.array(almost, { shape });
    await using compiled = compile((x: np.Array) => [x, constant.ref]);
    const [, actual] = await compiled(np.array(1));
    assert.deepEqual(valuesOf(actual!), Array.from(almost));
    constant.dispose();
  }
});

test("integers keep their bits where an array repeats one number, or sums of products are no matrix product", async () => {
  const int32 = (values: number[], shape = [values.length]) => np.array(Int32Array.from(values), { shape });
  const uint32 = (values: number[], shape = [values.length]) => np.array(Uint32Array.from(values), { shape });
  const captured = {
    negative: np.full([3], -3, { dtype: DType.Int32 }),
    largest: np.full([3], 4294967295, { dtype: DType.Uint32 }),
    threes: np.full([4, 3], 3, { dtype: DType.Int32 }),
    ones: np.full([3, 4], 1, { dtype: DType.Uint32 }),
    one: int32([-3]),
  };
  const cases: [name: string, fn: (x: np.Array) => np.Array | np.Array[], x: () => np.Array][] = [
    ["to uint32", (x) => [captured.negative.ref.astype(np.uint32), x], () => int32([1])],
    ["to int32", (x) => [captured.largest.ref.astype(np.int32), x], () => int32([1])],
    ["of one element", (x) => [captured.one.ref.astype(np.uint32), x], () => int32([1])],
    ["compared", (x) => x.equal(captured.largest.ref), () => int32([-1, 1, -2])],
    ["inner product", (x) => np.dot(x, int32([2, 3, 1])), () => int32([2 ** 30, 2 ** 30, 5])],
    ["rows", (x) => np.einsum("ij,ij->i", x.ref, x), () => int32([2 ** 20, 2 ** 20, 3, 2 ** 16], [2, 2])],
    [
      "repeated columns",
      (x) => np.matmul(x, captured.threes.ref),
      () =>
        int32(
          [1, 2, 3, 4].map((v) => v * 2 ** 30),
          [1, 4],
        ),
    ],
    [
      "broadcast operands",
      (x) => [np.matmul(captured.ones.ref, captured.ones.ref.transpose()), x],
      () => int32([1]),
    ],
    [
      "broadcast arguments",
      (x) =>
        np.matmul(np.broadcastTo(x.ref.reshape([3, 1]), [3, 4]), np.broadcastTo(x.slice([0, 1]), [4, 2])),
      () => uint32([1, 2, 2 ** 31]),
    ],
  ];
  for (const [name, fn, x] of cases) {
    await using compiled = compile(fn);
    const [expected, actual] = [fn(x()), await compiled(x())].map((result) => [result].flat().map(valuesOf));
    assert.deepEqual(actual, expected, name);
  }
});

test("outputs that are one number are made without a session, in buffers of their own; the file has them", async () => {
  const fn = (x: np.Array) => ({
    zeros: np.broadcastTo(np.array(0), [2, 3]),
    again: np.broadcastTo(np.array(0), [2, 3]),
    minus: np.broadcastTo(np.array(-0), [2]),
    twice: x.mul(2),
    ones: np.ones([3], { dtype: DType.Int32 }),
    yes: np.broadcastTo(np.array(true), [2]),
  });
  const x = () => float32([1, 2]);
  await using engine = compile(fn, { outputs: "engine" });
  const made = await engine(x());
  assert.deepEqual(made.zeros.data, new Float32Array(6));
  assert.notEqual(made.zeros.data.buffer, made.again.data.buffer);
  assert.deepEqual(made.minus.data, Float32Array.of(-0, -0));
  assert.deepEqual(made.ones.data, Int32Array.of(1, 1, 1));
  assert.deepEqual(made.yes.data, Uint8Array.of(1, 1));
  assert.deepEqual(made.twice.data, Float32Array.of(2, 4));
  const session = await ort.InferenceSession.create(await engine.toOnnx(x()));
  assert.equal(session.outputNames.length, 6);
  await session.release();
  await using constant = compile(() => [np.ones([2])]);
  assert.deepEqual(valuesOf((await constant())[0]!), [1, 1]);

  // A state that becomes one number is written where it lay; what is read besides it is read before.
  await using reset = compileStep((state: { a: np.Array; b: np.Array }, y: np.Array) => {
    state.b.dispose();
    return [{ a: np.broadcastTo(np.array(7), [2]), b: state.a }, y];
  });
  using state = await reset.init({ a: float32([1, 2]), b: float32([3, 4]) });
  for (const expected of [
    [1, 2],
    [7, 7],
    [7, 7],
  ]) {
    assert.deepEqual(valuesOf(await reset(state, float32([5]))), [5]);
    const { a, b } = state.read();
    assert.deepEqual([valuesOf(a), valuesOf(b)], [[7, 7], expected]);
  }
});

test("a function may return no arrays", async () => {
  await using compiled = compile((x: np.Array) => {
    x.dispose();
    return [];
  });
  assert.deepEqual(await compiled(float32([1])), []);
});

interface Model {
  w: np.Array;
  count: np.Array;
}

function descend(state: Model, x: np.Array): [Model, { loss: np.Array }] {
  const [loss, gradient] = valueAndGrad((w: np.Array) => np.square(np.matmul(x, w)).sum())(state.w.ref);
  return [{ w: state.w.sub(gradient.mul(0.1)), count: state.count.add(1) }, { loss }];
}
const start = (): Model => ({ w: float32([1, -1, 2], [3, 1]), count: np.array(0, { dtype: DType.Int32 }) });
const batch = () => float32([1, 0.5, -0.5], [1, 3]);

test("a step advances a state that stays in the engine, as jax-js would", async () => {
  await using step = compileStep(descend);
  using state = await step.init(start());
  let reference = start();
  for (let i = 0; i < 5; i++) {
    const { loss } = await step(state, batch());
    const [next, expected] = descend(reference, batch());
    reference = next;
    assert.ok(Math.abs(loss.item() - expected.loss.item()) < 1e-5);
  }
  const { w, count } = state.read();
  assert.equal(count.item(), 5);
  const expected = valuesOf(reference.w);
  valuesOf(w).forEach((value, i) => {
    assert.ok(Math.abs(value - expected[i]!) < 1e-6);
  });
  assert.equal(state.byteLength, 16);
});

for (const runtime of ["library", "binding"] as const) {
  test(`a step through the ${runtime} never writes into buffers that it was given`, async () => {
    await using step = compileStep(descend, { runtime });
    const given = Float32Array.of(1, -1, 2);
    const count = EngineArray.from(new Int32Array(1), []);
    const state = await step.init({ w: EngineArray.from(given, [3, 1]), count });
    const seen: Float32Array[] = [];
    for (let i = 0; i < 6; i++) {
      seen.push(state.leaves().w.data as Float32Array);
      (await step(state, batch())).loss.dispose();
    }
    assert.deepEqual([...given], [1, -1, 2]);
    if (runtime === "library") {
      // The first step makes a buffer, which the others overwrite.
      assert.equal(new Set(seen.slice(1)).size, 1);
    } else {
      // New ones in each step; the old ones are freed at once.
      assert.deepEqual(
        seen.map(({ byteLength }) => byteLength),
        [12, 0, 0, 0, 0, 0],
      );
    }
    const last = state.leaves().w.data;
    state.dispose();
    assert.equal(last.byteLength, 0);
    assert.equal(seen.at(-1)!.byteLength, 0);
  });
}

test("the library and the binding compute the same, bit for bit", async () => {
  const results: number[][] = [];
  for (const runtime of ["library", "binding"] as const) {
    await using step = compileStep(descend, { runtime });
    using state = await step.init(start());
    const losses: number[] = [];
    for (let i = 0; i < 10; i++) losses.push((await step(state, batch())).loss.item());
    results.push([...losses, ...valuesOf(state.read().w)]);
  }
  assert.deepEqual(results[0], results[1]);
});

test("the buffers of arrays that nobody else holds are used again from the first step on", async () => {
  await using step = compileStep(descend, { runtime: "library" });
  using state = await step.init(start());
  const first = state.leaves().w.data;
  (await step(state, batch())).loss.dispose();
  assert.equal(state.leaves().w.data, first);
});

test("two buffers take turns where the old value is needed to the end", async () => {
  const turn = (w: np.Array, x: np.Array): [np.Array, np.Array] => [
    np.matmul(w.ref, x).mul(0.5),
    np.matmul(w.ref, w).sum(),
  ];
  await using step = compileStep(turn, { runtime: "library" });
  using state = await step.init(float32([1, 2, 3, 4], [2, 2]));
  const seen: unknown[] = [];
  for (let i = 0; i < 5; i++) {
    seen.push(state.leaves().data);
    (await step(state, float32([0, 1, 1, 0], [2, 2]))).dispose();
  }
  assert.equal(new Set(seen).size, 2);
  assert.equal(seen[0], seen[2]);
  assert.equal(seen[1], seen[3]);
});

for (const runtime of ["library", "binding"] as const) {
  test(`what was given back before a call through the ${runtime} began is an error, not a read of freed memory`, async () => {
    const step = compileStep(descend, { runtime });
    const double = compile((w: np.Array) => w.mul(2), { runtime });
    const state = await step.init(start());
    for (let i = 0; i < 3; i++) (await step(state, batch())).loss.dispose();
    const { w } = state.leaves();
    (await double(w)).dispose();
    const late = double(w);
    // By then the call has taken the elements and waits for its turn.
    for (let i = 0; i < 50; i++) await null;
    state.dispose();
    await assert.rejects(late, EngineError);
    using other = await step.init(start());
    (await step(other, batch())).loss.dispose();
    const released = step(other, batch());
    for (let i = 0; i < 50; i++) await null;
    await step.dispose();
    await assert.rejects(released, EngineError);
    await double.dispose();
  });
}

test("rows added to few places on several threads are all added, in the same order each time", async () => {
  const [count, width, places] = [4096, 256, 8];
  const index = Int32Array.from({ length: count }, (_, i) => (i * 7919) % places);
  const rows = Float32Array.from({ length: count * width }, (_, i) => ((i * 31) % 17) - 8);
  const expected = new Float32Array(places * width);
  for (let i = 0; i < rows.length; i++)
    expected[index[Math.floor(i / width)]! * width + (i % width)]! += rows[i]!;
  await using sum = compile(
    (index: np.Array, rows: np.Array) => {
      const table = np.zeros([places, width]);
      return grad((table: np.Array) => table.slice(index).mul(rows).sum())(table);
    },
    { threads: 4 },
  );
  for (let i = 0; i < 10; i++) {
    const found = await sum(EngineArray.from(index, [count]), EngineArray.from(rows, [count, width]));
    // Sums of whole numbers are exact.
    assert.deepEqual(found.dataSync(), expected);
  }
});

test("one buffer may be two arrays of different shapes", async () => {
  const data = Float32Array.of(1, 2, 3, 4, 5, 6);
  await using product = compile((a: np.Array, b: np.Array) => np.matmul(a, b));
  const [a, b] = [EngineArray.from(data, [2, 3]), EngineArray.from(data, [3, 2])];
  assert.deepEqual(valuesOf(await product(a, b)), [22, 28, 49, 64]);
});

test("a runtime that isn't there is refused by name", async () => {
  await using named = compile(descend, { runtime: "library", executionProviders: ["cpu"] });
  await assert.rejects(named(start(), batch()) as Promise<unknown>, EngineError);
});

test("arrays of the state are valid until the next step, and copies for ever", async () => {
  await using step = compileStep(descend);
  const state = await step.init(start());
  const { w } = state.leaves();
  const copy = state.read();
  assert.deepEqual([...w.data], [1, -1, 2]);
  (await step(state, batch())).loss.dispose();
  assert.throws(() => w.data, OwnershipError);
  assert.deepEqual(valuesOf(copy.w), [1, -1, 2]);
  state[Symbol.dispose]();
  assert.throws(() => state.leaves(), OwnershipError);
  await assert.rejects(step(state, batch()), OwnershipError);
});

test("a state can be overwritten, but only by one of its kind", async () => {
  await using step = compileStep(descend);
  using state = await step.init(start());
  await state.write({ w: float32([4, 5, 6], [3, 1]), count: np.array(9, { dtype: DType.Int32 }) });
  assert.equal(state.read().count.item(), 9);
  const wrong = float32([1, 2], [2, 1]);
  await assert.rejects(
    state.write({ w: wrong, count: np.array(0, { dtype: DType.Int32 }) }),
    (error) =>
      error instanceof ShapeError && /float32\[2,1\] at leaf \d, expected float32\[3,1\]/.test(error.message),
  );
  assert.equal(wrong.refCount, 1);
  assert.deepEqual([...state.leaves().w.data], [4, 5, 6]);
});

test("writing a state leaves the memory of others alone, and its own parts may change places", async () => {
  await using step = compileStep(({ a, b }: { a: np.Array; b: np.Array }) => [
    { a: a.add(1), b: b.add(1) },
    [],
  ]);
  const mine = Float32Array.of(1, 2);
  const state = await step.init({ a: EngineArray.from(mine, [2]), b: float32([3, 4]) });
  await state.write({ a: float32([7, 8]), b: float32([9, 10]) });
  assert.deepEqual([...mine], [1, 2]);
  const { a, b } = state.leaves();
  await state.write({ a: b, b: a });
  const swapped = state.read();
  assert.deepEqual(
    [valuesOf(swapped.a), valuesOf(swapped.b)],
    [
      [9, 10],
      [7, 8],
    ],
  );
  state.dispose();
});

test("two steps at once on one state are refused", async () => {
  await using step = compileStep(descend);
  using state = await step.init(start());
  await step.prepare(state, batch());
  const first = step(state, batch());
  await assert.rejects(step(state, batch()), /a step is still running/);
  await assert.rejects(state.write(start()), /a step is still running/);
  await first;
  assert.equal(state.read().count.item(), 1);
});

test("a step keeps others away while its function is still being loaded, and no longer than it lasts", async () => {
  await using step = compileStep((w: np.Array, x: np.Array) => [w.add(x), []] as const);
  using state = await step.init(float32([0]));
  const first = step(state, float32([1]));
  await assert.rejects(state.write(float32([100])), /a step is still running/);
  await first;
  await state.write(float32([100]));
  await assert.rejects(step(state, float32([1, 2])), ShapeError);
  await step(state, float32([1]));
  assert.deepEqual(valuesOf(state.read()), [101]);
});

test("a step whose new state differs from the old one is refused, and the state stays", async () => {
  await using step = compileStep(
    (w: np.Array, x: np.Array) => [np.concatenate([w, x]), np.array(0)] as const,
  );
  using state = await step.init(float32([1]));
  await assert.rejects(
    step(state, float32([2])),
    /the new state has float32\[2\] at leaf 0, expected float32\[1\]/,
  );
  assert.deepEqual(valuesOf(state.read()), [1]);
});

test("arrays of the engine move into a state; those of another state are copied", async () => {
  await using step = compileStep(descend);
  const moved = await toEngine(start());
  const { buffer } = moved.w.data;
  using state = await step.init(moved);
  assert.equal(state.leaves().w.data.buffer, buffer);
  assert.throws(() => moved.w.data, /was moved into a state/);
  using fork = await step.init(state.leaves());
  (await step(fork, batch())).loss.dispose();
  assert.deepEqual([...state.leaves().w.data], [1, -1, 2]);
  assert.notDeepEqual([...fork.leaves().w.data], [1, -1, 2]);
});

test("numbers of the wrong kind are refused by name", async () => {
  await using compiled = compile((x: np.Array) => x);
  await assert.rejects(
    compiled("x" as never),
    /argument leaf 0 is string; expected an array, an EngineArray, a number/,
  );
  await assert.rejects(compiled(np.zeros([2], { dtype: DType.Float16 })), /float16/);
  assert.throws(() => EngineArray.from(new Float32Array(3), [2]), /shape \[2\] needs 2 elements, got 3/);
  await compiled.dispose();
  await assert.rejects(compiled(float32([1])), /after dispose/);
});

test("the memory of jax-js does not grow over a hundred steps", async () => {
  await using step = compileStep(descend);
  using state = await step.init(start());
  const x = batch();
  for (let i = 0; i < 100; i++) {
    const { loss } = await step(state, x.ref);
    assert.equal(loss.refCount, 1);
    loss.dispose();
  }
  assert.equal(x.refCount, 1);
  x.dispose();
});

test("convolutions are products where that is faster: enough channels, copies that are not too large, nothing mapped", async () => {
  const learn = (x: np.Array, w: np.Array) =>
    grad((a: np.Array, b: np.Array) => np.square(lax.conv(a, b, [1, 1], "SAME")).sum(), { argnums: [0, 1] })(
      x,
      w,
    );
  // Result, and gradients of images and kernel.
  for (const { images, side, channels, size, convs, mapped = false } of [
    { images: 2, side: 5, channels: 16, size: 3, convs: 0 },
    { images: 2, side: 5, channels: 15, size: 3, convs: 3 },
    { images: 2, side: 5, channels: 16, size: 1, convs: 2 },
    { images: 2, side: 5, channels: 16, size: 3, convs: 3, mapped: true },
    // 18 and 72 MiB of windows.
    { images: 8, side: 64, channels: 16, size: 3, convs: 2 },
    { images: 32, side: 64, channels: 16, size: 3, convs: 3 },
  ]) {
    const [x, w] = [np.zeros([images, channels, side, side]), np.zeros([channels, channels, size, size])];
    await using compiled = compile((mapped ? vmap(learn) : learn) as typeof learn);
    const inputs = mapped ? [x.reshape([1, ...x.shape]), w.reshape([1, ...w.shape])] : [x, w];
    const { operators } = await compiled.inspect(...(inputs as [np.Array, np.Array]));
    assert.equal(operators.Conv ?? 0, convs, JSON.stringify({ images, side, channels, size, mapped }));
    for (const array of inputs) array.dispose();
  }
});

test("the runtime's library stays loaded when garbage is collected", () => {
  const { status, signal, stderr } = spawnSync(
    process.execPath,
    [
      "--expose-gc",
      "--input-type=module",
      "--eval",
      `import { compile, EngineArray } from ${JSON.stringify(new URL("./index.ts", import.meta.url).href)};
      const twice = compile((x) => x.add(x.ref), { outputs: "engine" });
      const run = () => twice(EngineArray.from(Float32Array.of(1, 2), [2]));
      await run();
      for (let i = 0; i < 5; i++) {
        gc();
        await new Promise((resolve) => setTimeout(resolve));
      }
      const { data } = await run();
      await twice.dispose();
      process.exitCode = data[1] === 4 ? 0 : 1;`,
    ],
    { encoding: "utf8" },
  );
  assert.deepEqual([status, signal], [0, null], stderr);
});
