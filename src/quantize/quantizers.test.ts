import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { jit, numpy as np, random, tree, valueAndGrad } from "@jax-js/jax";
import { compile } from "../compile/index.ts";
import { ConfigError, DataError, ShapeError } from "../errors.ts";
import {
  finiteScalarQuantizer,
  foldCodes,
  type GradientEstimator,
  kMeans,
  lookupFreeQuantizer,
  lossWeights,
  nearestCode,
  productQuantizer,
  type Quantizer,
  type QuantizerCombinationName,
  type QuantizerName,
  type QuantizerTable,
  type QuantizerTree,
  quantizerLoss,
  residualQuantizer,
  simVq,
  vectorQuantizer,
} from "./index.ts";
import { arrayOf, maxDifference, normals } from "./testing/values.ts";

const dim = 4;
const shape = [3, 5, dim];
const z = () => arrayOf(normals(shape, 1), shape);
const read = (x: np.Array) => [...x.dataSync()];

type Make = (gradient: GradientEstimator) => Quantizer;

const vq = { numCodes: 20, dim };
type Name = QuantizerName | QuantizerCombinationName;

/** Every quantizer: a new one doesn't compile without. */
const named: Readonly<Record<Name, Make>> = {
  vq: (gradient) => vectorQuantizer({ ...vq, gradient }),
  simvq: (gradient) => simVq({ ...vq, gradient }),
  fsq: (gradient) => finiteScalarQuantizer({ levels: [8, 5, 2, 3], gradient }),
  lfq: (gradient) => lookupFreeQuantizer({ dim, scale: 0.3, gradient }),
  residual: (gradient) => residualQuantizer([vectorQuantizer(vq), vectorQuantizer(vq)], { gradient }),
  product: (gradient) =>
    productQuantizer([
      vectorQuantizer({ numCodes: 9, dim: 1, gradient }),
      finiteScalarQuantizer({ levels: [3, 4, 5], gradient }),
    ]),
};

/** The same with other options. */
const every: Readonly<Record<string, Make>> = {
  ...named,
  "vq, ema": (gradient) => vectorQuantizer({ ...vq, learning: "ema", gradient }),
  "vq, cosine": (gradient) => vectorQuantizer({ ...vq, distance: "cosine", gradient }),
  "simvq, both trained, bias": (gradient) => simVq({ ...vq, trainTable: true, bias: true, gradient }),
  "simvq, diagonal": (gradient) => simVq({ ...vq, transform: "diagonal", gradient }),
  "simvq, wider table": (gradient) => simVq({ ...vq, tableDim: 7, gradient }),
  "residual simvq": (gradient) => residualQuantizer([simVq(vq), simVq(vq), simVq(vq)], { gradient }),
};

const start = (quantizer: Quantizer) => quantizer.init(random.key(3));

describe("decoded indices are the forward's output, bit for bit, and encode finds the same", () => {
  for (const [name, make] of Object.entries(every)) {
    test(name, async () => {
      for (const gradient of ["straight-through", "rotation"] as const) {
        const quantizer = make(gradient);
        const all = (params: QuantizerTree, state: QuantizerTree, x: np.Array) => {
          const out = quantizer.apply(tree.ref(params), tree.ref(state), x.ref);
          tree.dispose([out.loss, out.error, out.batch]);
          const encoded = quantizer.encode(tree.ref(params), tree.ref(state), x);
          return [out.quantized, quantizer.decode(params, state, out.indices.ref), out.indices, encoded];
        };
        const compiled = compile(all, { threads: 1 }) as unknown as typeof all;
        const { params, state } = start(quantizer);
        const engines = gradient === "rotation" ? [compiled] : [all, jit(all), compiled];
        let first: number[] | undefined;
        for (const engine of engines as (typeof all)[]) {
          const results = await engine(tree.ref(params), tree.ref(state), z());
          const [quantized, decoded, indices, encoded] = results.map(read);
          assert.deepEqual(quantized, decoded);
          assert.deepEqual(indices, encoded);
          assert.equal(indices!.length, 15 * quantizer.codebookSizes.length);
          // Codes of several engines differ by the rounding of E·W.
          first ??= quantized;
          assert.ok(maxDifference(quantized!, first!) < 1e-6);
        }
        tree.dispose([params, state]);
        await (compiled as unknown as { dispose(): Promise<void> }).dispose();
      }
    });
  }
});

/** Gradient of `Σ weight·quantized` with respect to `z`. */
function derivative(quantizer: Quantizer): number[] {
  const { params, state } = start(quantizer);
  const loss = (x: np.Array) => {
    const { quantized, ...rest } = quantizer.apply(params, state, x, random.key(1));
    tree.dispose(rest);
    return quantized.mul(arrayOf(normals(shape, 2), shape)).sum();
  };
  const [value, gradient] = valueAndGrad(loss)(z()) as [np.Array, np.Array];
  value.dispose();
  return read(gradient);
}

describe("every quantizer passes gradients by the estimator asked for", () => {
  for (const [name, make] of Object.entries(every)) {
    test(name, () => {
      const [straight, rotated, noisy] = (["straight-through", "rotation", "diveq"] as const).map((g) =>
        derivative(make(g)),
      );
      if (!/cosine|fsq|product/.test(name)) assert.deepEqual(straight, [...normals(shape, 2)]);
      assert.ok(maxDifference(rotated!, straight!) > 1e-2);
      assert.ok(maxDifference(noisy!, straight!) > 1e-2);
      assert.ok(maxDifference(noisy!, rotated!) > 1e-2);
      const { params, state } = start(make("diveq"));
      assert.throws(() => make("diveq").apply(params, state, z()), ConfigError);
      tree.dispose([params, state]);
    });
  }
});

test("straight-through gradients of residual layers add up per layer, and don't from the sum", () => {
  const layers = [vectorQuantizer(vq), vectorQuantizer(vq)];
  const weight = [...normals(shape, 2)];
  assert.deepEqual(derivative(residualQuantizer(layers)), weight);
  const perLayer = derivative(residualQuantizer(layers, { gradient: "per-layer" }));
  assert.ok(
    maxDifference(
      perLayer,
      weight.map((w) => 2 * w),
    ) < 1e-6,
  );
  const noisy = (noiseStd: number) => derivative(residualQuantizer(layers, { gradient: "diveq", noiseStd }));
  assert.ok(maxDifference(noisy(0.5), noisy(0)) > 1e-2);
});

test("a residual layer quantizes what the layers before left over", () => {
  const layers = [simVq(vq), simVq(vq)];
  const quantizer = residualQuantizer(layers);
  const { params, state } = start(quantizer);
  const indices = quantizer.encode(tree.ref(params), tree.ref(state), z());
  const first = layers[0]!.decode(
    tree.ref(params.layers[0]),
    tree.ref(state.layers[0]),
    indices.ref.slice([], [], 0),
  );
  const second = layers[1]!.encode(params.layers[1], state.layers[1], z().sub(first));
  assert.deepEqual(read(indices.slice([], [], 1)), read(second));
  tree.dispose([params.layers[0], state.layers[0]]);
});

test("folded codes are all that inference needs", () => {
  for (const options of [{}, { bias: true }, { transform: "diagonal" }, { trainTable: true }] as const) {
    const quantizer = simVq({ ...vq, ...options });
    const { params, state } = start(quantizer);
    const { quantized, indices, ...rest } = quantizer.apply(tree.ref(params), tree.ref(state), z());
    const table = foldCodes(params, state);
    const found = nearestCode(z(), table.ref);
    assert.deepEqual(read(found.ref), read(indices));
    assert.deepEqual(read(table.slice(found)), read(quantized));
    tree.dispose(rest);
  }
});

test("SimVQ starts as published: E normal with variance 1/d, W uniform in ±1/√d, a diagonal of ones", () => {
  const { params, state } = simVq({ numCodes: 4096, dim: 32, tableDim: 16, bias: true }).init(random.key(0));
  const table = read(state.table);
  const meanSquare = (x: number[]) => x.reduce((sum, v) => sum + v * v, 0) / x.length;
  // 65,536 numbers: the mean square is known to half a percent.
  assert.ok(Math.abs(meanSquare(table) * 16 - 1) < 0.03);
  assert.deepEqual(params.transform.shape, [16, 32]);
  const [transform, bias] = [read(params.transform), read(params.bias)];
  for (const values of [transform, bias]) {
    const largest = Math.max(...values.map(Math.abs));
    assert.ok(largest <= 0.25 && largest > 0.2);
  }
  assert.ok(Math.abs(meanSquare(transform) * 48 - 1) < 0.15);
  const diagonal = simVq({ ...vq, transform: "diagonal" }).init(random.key(0));
  assert.deepEqual(read(diagonal.params.transform), [1, 1, 1, 1]);
  tree.dispose(diagonal.state);
});

test("only what is trained is among the parameters, as trainTable says", () => {
  const keys = (quantizer: Quantizer) => {
    const { params, state } = start(quantizer);
    tree.dispose([params, state]);
    return [Object.keys(params).sort(), Object.keys(state).sort()];
  };
  assert.deepEqual(keys(simVq(vq)), [["transform"], ["table"]]);
  assert.deepEqual(keys(simVq({ ...vq, trainTable: true })), [["table", "transform"], []]);
  assert.deepEqual(keys(vectorQuantizer(vq)), [["codebook"], ["clusterSize"]]);
  assert.deepEqual(keys(vectorQuantizer({ ...vq, learning: "ema" })), [
    [],
    ["average", "clusterSize", "codebook"],
  ]);
});

test("the two conventions of β, and means over all components", () => {
  assert.deepEqual(lossWeights("vq-vae"), { codebook: 1, commitment: 0.25 });
  assert.deepEqual(lossWeights("taming-legacy", 0.4), { codebook: 0.4, commitment: 1 });
  assert.throws(() => lossWeights("taming" as never), ConfigError);
  const [a, b] = [np.array([[1, 2]]), np.array([[3, 2]])];
  const loss = (x: np.Array, y: np.Array) => {
    const { loss: total, error } = quantizerLoss(x, y, { codebook: 3, commitment: 5 });
    error.dispose();
    return total;
  };
  const [value, [byZ, byQ]] = valueAndGrad(loss, { argnums: [0, 1] })(a, b) as [
    np.Array,
    [np.Array, np.Array],
  ];
  assert.equal(value.item(), 16);
  assert.deepEqual([byZ.js(), byQ.js()], [[[-10, 0]], [[6, 0]]]);
});

describe("every option changes the result", () => {
  const outcome = (quantizer: Quantizer) => {
    let { params, state } = start(quantizer);
    const results: number[] = [];
    for (let step = 0; step < 3; step++) {
      const apply = (p: QuantizerTree) => {
        const out = quantizer.apply(p, tree.ref(state), z(), random.key(step));
        const total = out.loss.ref.add(out.quantized.ref.sum());
        return [total, out];
      };
      const [[total, out]] = [apply(tree.ref(params))] as [[np.Array, ReturnType<Quantizer["apply"]>]];
      results.push(total.item(), out.error.item(), ...read(out.quantized), out.loss.item());
      out.indices.dispose();
      state = quantizer.update(state, out.batch);
    }
    results.push(...(tree.leaves(state) as np.Array[]).flatMap((x) => read(x.ref)));
    tree.dispose([params, state]);
    return results;
  };
  const differs = (base: Quantizer, changed: Quantizer) => {
    const [a, b] = [outcome(base), outcome(changed)];
    assert.ok(a.length !== b.length || maxDifference(a, b) > 1e-3);
  };
  const ema = { ...vq, learning: "ema" } as const;
  const levels = [8, 7, 6, 5];
  /**
   * Two quantizers that differ by an option: a new option doesn't compile without. Those of the estimator are tested above and in
   * gradientEstimator.test.ts; `dim` is that of the vectors, and a budget of the search may change nothing.
   */
  const changes: {
    readonly [Kind in QuantizerName]: Readonly<
      Record<
        Exclude<keyof QuantizerTable<Kind>, "dim" | "budgetBytes" | "gradient" | "noiseStd" | "maxRatio">,
        readonly (readonly [Quantizer, Quantizer])[]
      >
    >;
  } = {
    vq: {
      numCodes: [[vectorQuantizer(vq), vectorQuantizer({ ...vq, numCodes: 19 })]],
      learning: [[vectorQuantizer(vq), vectorQuantizer(ema)]],
      distance: [[vectorQuantizer(vq), vectorQuantizer({ ...vq, distance: "cosine" })]],
      loss: [
        [vectorQuantizer(vq), vectorQuantizer({ ...vq, loss: lossWeights("vq-vae", 2) })],
        [vectorQuantizer(ema), vectorQuantizer({ ...ema, loss: { codebook: 0, commitment: 2 } })],
      ],
      decay: [
        [vectorQuantizer(vq), vectorQuantizer({ ...vq, decay: 0.5 })],
        [vectorQuantizer(ema), vectorQuantizer({ ...ema, decay: 0.5 })],
      ],
      eps: [[vectorQuantizer(ema), vectorQuantizer({ ...ema, eps: 0.5 })]],
    },
    simvq: {
      numCodes: [[simVq(vq), simVq({ ...vq, numCodes: 19 })]],
      tableDim: [[simVq(vq), simVq({ ...vq, tableDim: 5 })]],
      transform: [[simVq(vq), simVq({ ...vq, transform: "diagonal" })]],
      bias: [[simVq(vq), simVq({ ...vq, bias: true })]],
      // The results are those of one step; what is trained are the parameters.
      trainTable: [],
      loss: [[simVq(vq), simVq({ ...vq, loss: lossWeights("taming-legacy", 3) })]],
    },
    fsq: {
      levels: [[finiteScalarQuantizer({ levels }), finiteScalarQuantizer({ levels: [8, 7, 6, 4] })]],
      eps: [[finiteScalarQuantizer({ levels }), finiteScalarQuantizer({ levels, eps: 0.1 })]],
    },
    lfq: {
      scale: [[lookupFreeQuantizer({ dim }), lookupFreeQuantizer({ dim, scale: 0.5 })]],
      entropyWeight: [[lookupFreeQuantizer({ dim }), lookupFreeQuantizer({ dim, entropyWeight: 1 })]],
      diversity: [[lookupFreeQuantizer({ dim }), lookupFreeQuantizer({ dim, diversity: 3 })]],
      inverseTemperature: [
        [lookupFreeQuantizer({ dim }), lookupFreeQuantizer({ dim, inverseTemperature: 1 })],
      ],
      commitment: [[lookupFreeQuantizer({ dim }), lookupFreeQuantizer({ dim, commitment: 1 })]],
    },
  };
  for (const [kind, options] of Object.entries(changes)) {
    for (const [option, cases] of Object.entries<readonly (readonly [Quantizer, Quantizer])[]>(options)) {
      cases.forEach(([base, changed], i) => {
        test(`${kind} ${option}${i === 0 ? "" : ` ${i + 1}`}`, () => differs(base, changed));
      });
    }
  }
});

test("FSQ: every index has its code, and the code its index", () => {
  for (const levels of [[2], [3, 2], [8, 5, 5], [4, 4, 4]]) {
    const quantizer = finiteScalarQuantizer({ levels });
    const count = levels.reduce((a, b) => a * b);
    const codes = quantizer.decode({}, {}, np.arange(count));
    const rows = codes.ref.js() as number[][];
    assert.equal(new Set(rows.map(String)).size, count);
    levels.forEach((level, i) => {
      const half = Math.floor(level / 2);
      const expected = Array.from({ length: level }, (_, j) => Math.fround((j - half) / half));
      assert.deepEqual(
        [...new Set(rows.map((r) => r[i]!))].sort((a, b) => a - b),
        expected,
      );
    });
    // The inverse of the bound, from the middle of each cell.
    const inverse = rows.map((row) =>
      row.map((value, i) => {
        const [half, offset] = [((levels[i]! - 1) * 1.001) / 2, levels[i]! % 2 === 0 ? 0.5 : 0];
        return Math.atanh((value * Math.floor(levels[i]! / 2) + offset) / half) - Math.atanh(offset / half);
      }),
    );
    const { quantized, indices, ...rest } = quantizer.apply({}, {}, np.array(inverse));
    assert.deepEqual(read(indices), [...Array(count).keys()]);
    assert.deepEqual(read(quantized), read(codes));
    tree.dispose(rest);
  }
});

describe("k-means", () => {
  const centres = [
    [5, 0],
    [-5, 1],
    [0, 6],
  ];
  const noise = normals([60, 2], 5);
  const data = () =>
    np.array(
      Array.from({ length: 60 }, (_, i) => centres[i % 3]!.map((c, j) => c + 0.1 * noise[2 * i + j]!)),
    );
  test("finds well separated clusters, jitted and compiled too", async () => {
    const run = (x: np.Array, key: np.Array) => {
      const { codes, counts } = kMeans(x, 3, key, { iterations: 8 });
      return [codes, counts];
    };
    const compiled = compile(run, { threads: 1 });
    // A key whose three starting points lie in three clusters.
    const key = () => random.key(11);
    for (const engine of [run, jit(run) as typeof run, compiled]) {
      const [codes, counts] = (await engine(data(), key())) as [np.Array, np.Array];
      const rows = (codes.js() as number[][]).sort((a, b) => a[0]! - b[0]!);
      assert.deepEqual(read(counts), [20, 20, 20]);
      // Means of 20 points of deviation 0.1.
      [centres[1]!, centres[2]!, centres[0]!].forEach((c, i) => {
        assert.ok(Math.hypot(rows[i]![0]! - c[0]!, rows[i]![1]! - c[1]!) < 0.12);
      });
    }
    await compiled.dispose();
  });
  test("an empty cluster keeps its centre; a round is one step of Lloyd", () => {
    // All vectors are nearest to the first centre; only when it has moved to their mean, some are to the second.
    const begin = () =>
      np.array([
        [5, 0],
        [6, 0],
      ]);
    const run = (iterations: number) => {
      const { codes, counts } = kMeans(data(), 2, random.key(0), { start: begin(), iterations });
      return { rows: codes.js() as number[][], counts: read(counts) };
    };
    const [one, two] = [run(1), run(2)];
    assert.deepEqual(one.rows[1], [6, 0]);
    assert.deepEqual(
      [one.counts, two.counts],
      [
        [60, 0],
        [40, 20],
      ],
    );
  });
  test("bad input is refused, and nothing is consumed", () => {
    const [x, key] = [data(), random.key(0)];
    assert.throws(
      () => kMeans(x, 61, key),
      new DataError(
        "kMeans: z is float32[60,2]: 61 codes from 60 vectors: expected at least as many vectors as codes",
      ),
    );
    assert.throws(() => kMeans(x, 0, key), ConfigError);
    assert.throws(() => kMeans(x, 3, key, { iterations: 0 }), ConfigError);
    const wrong = np.zeros([3, 3]);
    assert.throws(() => kMeans(x, 3, key, { start: wrong }), ShapeError);
    const bad = np.array([[Number.NaN, 1]]);
    assert.throws(() => kMeans(bad, 1, key), DataError);
    assert.deepEqual([x.refCount, key.refCount, bad.refCount, wrong.refCount], [1, 1, 1, 1]);
    for (const array of [x, key, bad, wrong]) array.dispose();
  });
});

describe("dead codes", () => {
  const batch = () =>
    np.array([
      [1, 1],
      [2, 2],
      [3, 3],
    ]);
  for (const learning of ["loss", "ema"] as const) {
    test(`are replaced by vectors of the batch (${learning})`, async () => {
      const quantizer = vectorQuantizer({ numCodes: 4, dim: 2, learning });
      const codes = np.array([
        [9, 0],
        [8, 0],
        [7, 0],
        [6, 0],
      ]);
      const { params, state } = quantizer.initFrom(codes, np.array([5, 0.5, 2, 0]));
      const restart = (p: QuantizerTree, s: QuantizerTree, x: np.Array, key: np.Array) =>
        quantizer.restart(p, s, x, key, { threshold: 1.5 });
      const compiled = compile(restart, { threads: 1 }) as unknown as typeof restart;
      for (const engine of [restart, compiled]) {
        const result = await engine(tree.ref(params), tree.ref(state), batch(), random.key(2));
        assert.equal(result.restarted.item(), 2);
        const rows = (learning === "ema" ? result.state : result.params).codebook.js() as number[][];
        assert.deepEqual(
          [rows[0], rows[2]],
          [
            [9, 0],
            [7, 0],
          ],
        );
        for (const row of [rows[1]!, rows[3]!]) assert.ok(row[0] === row[1] && [1, 2, 3].includes(row[0]!));
        assert.deepEqual(read(result.state.clusterSize), [5, 1.5, 2, 1.5]);
        if (learning === "ema") {
          const average = result.state.average.js() as number[][];
          assert.deepEqual(
            average,
            rows.map((row, k) => row.map((v) => v * [5, 1.5, 2, 1.5][k]!)),
          );
        }
      }
      tree.dispose([params, state]);
      await (compiled as unknown as { dispose(): Promise<void> }).dispose();
    });
  }
  test("codes and counts to start from must fit, and stay the caller's if they don't", () => {
    const quantizer = vectorQuantizer({ numCodes: 2, dim: 2, distance: "cosine" });
    const [codes, wide, zero, counts] = [np.eye(2), np.eye(3), np.zeros([2, 2]), np.ones([3])];
    assert.throws(() => quantizer.initFrom(wide), ShapeError);
    assert.throws(() => quantizer.initFrom(zero), DataError);
    assert.throws(() => quantizer.initFrom(codes, counts), ShapeError);
    for (const array of [codes, wide, zero, counts]) {
      assert.equal(array.refCount, 1);
      array.dispose();
    }
  });
  test("under cosine distance they become unit vectors, and a threshold must be positive", () => {
    const quantizer = vectorQuantizer({ numCodes: 2, dim: 2, distance: "cosine" });
    const { params, state } = quantizer.initFrom(np.eye(2), np.zeros([2]));
    assert.throws(
      () => quantizer.restart(params, state, batch(), random.key(0), { threshold: 0 }),
      ConfigError,
    );
    const result = quantizer.restart(params, state, batch(), random.key(0), { threshold: 1 });
    assert.ok(maxDifference(read(result.params.codebook), Array(4).fill(Math.SQRT1_2)) < 1e-6);
    tree.dispose([result.state, result.restarted]);
  });
});

test("impossible options are refused", () => {
  for (const make of [
    () => vectorQuantizer({ numCodes: 0, dim }),
    () => vectorQuantizer({ ...vq, decay: 1 }),
    () => vectorQuantizer({ ...vq, eps: 1e-3 }),
    () => vectorQuantizer({ ...vq, learning: "ema", loss: lossWeights("vq-vae") }),
    () => vectorQuantizer({ ...vq, learning: "adam" as never }),
    () => vectorQuantizer({ ...vq, gradient: "none" as never }),
    () => vectorQuantizer({ ...vq, loss: { codebook: -1, commitment: 0 } }),
    () => simVq({ ...vq, transform: "diagonal", tableDim: 5 }),
    () => simVq({ ...vq, transform: "mlp" as never }),
    () => finiteScalarQuantizer({ levels: [] }),
    () => finiteScalarQuantizer({ levels: [8, 1] }),
    () => finiteScalarQuantizer({ levels: [65536, 65536] }),
    () => lookupFreeQuantizer({ dim: 19 }),
    () => lookupFreeQuantizer({ dim, scale: 0 }),
    () => residualQuantizer([simVq(vq)]),
    () => residualQuantizer([simVq(vq), simVq({ ...vq, dim: 5 })]),
    () => residualQuantizer([simVq(vq), simVq(vq)], { gradient: "per-layer", noiseStd: 1 }),
    () => productQuantizer([simVq(vq), residualQuantizer([simVq(vq), simVq(vq)])]),
  ]) {
    assert.throws(make, ConfigError);
  }
});

test("indices out of range, or of another shape, are refused before anything is consumed", () => {
  for (const [name, make] of Object.entries(every)) {
    const quantizer = make("straight-through");
    const { params, state } = start(quantizer);
    const sizes = quantizer.codebookSizes;
    const good = sizes.map((size) => size - 1);
    const indices = (values: number[]) =>
      np.array(Int32Array.from(values), { shape: sizes.length > 1 ? [1, values.length] : [values.length] });
    const [high, low] = [indices(good.with(-1, sizes.at(-1)!)), indices(good.with(0, -1))];
    const floats = np.array(good);
    for (const bad of [high, low]) assert.throws(() => quantizer.decode(params, state, bad), DataError, name);
    assert.throws(() => quantizer.decode(params, state, floats), ShapeError, name);
    const leaves = tree.leaves([params, state]) as np.Array[];
    for (const leaf of [...leaves, high, low, floats]) assert.equal(leaf.refCount, 1, name);
    for (const array of [high, low, floats]) array.dispose();
    quantizer.decode(params, state, indices(good)).dispose();
  }
});

test("an unknown estimator of a residual quantizer is told all that there are", () => {
  assert.throws(
    () => residualQuantizer([simVq(vq), simVq(vq)], { gradient: "none" as never }),
    /^ConfigError: residualQuantizer gradient "none": expected one of straight-through, rotation, diveq, per-layer$/,
  );
});

test("vectors of another width, or that aren't finite, are refused before anything is consumed", () => {
  for (const [name, make] of Object.entries(every)) {
    const quantizer = make("straight-through");
    const { params, state } = start(quantizer);
    const [wide, bad] = [np.zeros([2, 5]), np.full([2, dim], Number.NaN)];
    for (const use of [quantizer.apply, quantizer.encode]) {
      assert.throws(() => use(params, state, wide), ShapeError, name);
      assert.throws(() => use(params, state, bad), DataError, name);
    }
    const leaves = tree.leaves([params, state]) as np.Array[];
    for (const leaf of [...leaves, wide, bad]) assert.equal(leaf.refCount, 1, name);
    for (const leaf of [...leaves, wide, bad]) leaf.dispose();
  }
});
