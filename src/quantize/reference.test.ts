import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { jit, numpy as np, random, tree, valueAndGrad } from "@jax-js/jax";
import { compile } from "../compile/index.ts";
import {
  finiteScalarQuantizer,
  type GradientEstimator,
  kMeans,
  lookupFreeQuantizer,
  productQuantizer,
  type Quantized,
  type Quantizer,
  type QuantizerCombinationName,
  type QuantizerName,
  type QuantizerTree,
  type QuantizerVariables,
  residualQuantizer,
  simVq,
  vectorQuantizer,
} from "./index.ts";
import { arrayOf, maxDifference } from "./testing/values.ts";

interface Step {
  readonly quantized: number[];
  readonly indices: number[];
  readonly loss: number;
  readonly gradient: number[];
  readonly parameterGradients: number[][];
  readonly codebook: number[];
  readonly clusterSize: number[];
  readonly average: number[];
}

const reference = JSON.parse(readFileSync(new URL("./quantize.reference.json", import.meta.url), "utf8"));
const shape = reference.shape as [number, number, number];
const dim = shape[2];
const numCodes = reference.codebook.length / dim;
const input = (step = 0, factor = 1) =>
  arrayOf(
    (reference.inputs[step] as number[]).map((v) => factor * v),
    shape,
  );
const codebook = (name = "codebook") => arrayOf(reference[name], [numCodes, dim]);

/** Entries are of order 1 and sums have some ten terms: a few roundings of float32. */
const rounding = 4e-6;

function assertClose(
  actual: np.Array | number[],
  expected: ArrayLike<number>,
  what: string,
  tolerance = rounding,
): void {
  const data = Array.isArray(actual) ? actual : actual.dataSync();
  const difference = maxDifference(data, expected);
  assert.ok(difference <= tolerance, `${what}: off by ${difference}`);
}

type Training = {
  result: Omit<Quantized, "batch">;
  state: QuantizerTree;
  byParams: QuantizerTree;
  byZ: np.Array;
  total: np.Array;
};

/** One training step, as scripts/references/quantize.py takes it. */
const trainingStep =
  (quantizer: Quantizer) =>
  (params: QuantizerTree, state: QuantizerTree, z: np.Array): Training => {
    const loss = (p: QuantizerTree, x: np.Array) => {
      const result = quantizer.apply(p, tree.ref(state), x, random.key(0));
      const total = result.quantized.ref.mul(arrayOf(reference.weight, shape)).sum().add(result.loss.ref);
      return [total, result];
    };
    const differentiate = valueAndGrad(loss as never, { argnums: [0, 1], hasAux: true }) as unknown as (
      p: QuantizerTree,
      x: np.Array,
    ) => [[np.Array, Quantized], [QuantizerTree, np.Array]];
    const [[total, { batch, ...result }], [byParams, byZ]] = differentiate(params, z);
    const next = quantizer.update(state, batch);
    return { result, state: next, byParams, byZ, total };
  };

function assertStep(
  { result, byZ, total }: Training,
  expected: Step,
  { lossFactor = 1, tolerance = rounding }: { lossFactor?: number; tolerance?: number } = {},
): void {
  total.dispose();
  result.error.dispose();
  assert.deepEqual([...result.indices.dataSync()], expected.indices);
  assertClose(result.quantized, expected.quantized, "quantized");
  assertClose([result.loss.item() / lossFactor], [expected.loss], "loss");
  assertClose(byZ, expected.gradient, "gradient", tolerance);
}

/** A training step run by jax-js, after the engine has given the same. */
async function once(
  quantizer: Quantizer,
  { params, state }: QuantizerVariables,
  z = input(),
  tolerance = rounding,
): Promise<Training> {
  const step = trainingStep(quantizer);
  const compiled = compile(step, { threads: 1 }) as unknown as typeof step;
  const fromEngine = await compiled(tree.ref(params), tree.ref(state), z.ref);
  const training = step(params, state, z);
  const [actual, expected] = [fromEngine, training].map((t) => tree.leaves(t) as np.Array[]);
  assert.equal(actual!.length, expected!.length);
  expected!.forEach((leaf, i) => {
    assertClose(actual![i]!, leaf.ref.dataSync(), `result ${i} of the engine`, tolerance);
  });
  await (compiled as unknown as { dispose(): Promise<void> }).dispose();
  return training;
}

describe("vector-quantize-pytorch: moving averages over three steps", () => {
  for (const [name, options] of [
    ["ema", { loss: { codebook: 0, commitment: 1 } }],
    ["emaRotation", { loss: { codebook: 0, commitment: 0.25 }, gradient: "rotation" }],
    ["emaCosine", { loss: { codebook: 0, commitment: 1 }, distance: "cosine" }],
  ] as const) {
    for (const engine of ["eager", "jit", "compile"] as const) {
      test(`${name}, ${engine}`, async () => {
        const quantizer = vectorQuantizer({
          numCodes,
          dim,
          learning: "ema",
          decay: 0.8,
          eps: 1e-3,
          ...options,
        });
        const step = trainingStep(quantizer);
        const compiled = compile(step, { threads: 1 });
        const run = { eager: step, jit: jit(step), compile: compiled }[engine] as typeof step;
        const first = quantizer.initFrom(codebook());
        // The package keeps the codes as the first sums, with counts of one; so does this library.
        let { state } = first;
        for (const [i, expected] of (reference[name] as Step[]).entries()) {
          const training = await run({}, state, input(i));
          assertStep(training, expected);
          state = training.state;
          assertClose(state.codebook.ref, expected.codebook, `step ${i}, codebook`);
          assertClose(state.clusterSize.ref, expected.clusterSize, "clusterSize");
          assertClose(state.average.ref, expected.average, "average");
        }
        tree.dispose(state);
        await compiled.dispose();
      });
    }
  }
});

const simVariables = (table: np.Array): QuantizerVariables => ({
  params: { transform: arrayOf(reference.transform, [dim, dim]) },
  state: { table },
});
const none = (): QuantizerVariables => ({ params: {}, state: {} });
const emaOf = (partDim: number, gradient: GradientEstimator = "straight-through") =>
  vectorQuantizer({
    numCodes,
    dim: partDim,
    learning: "ema",
    decay: 0.8,
    eps: 1e-3,
    loss: { codebook: 0, commitment: 1 },
    gradient,
  });

async function learnable(name: string, gradient: GradientEstimator): Promise<void> {
  const loss = { codebook: 1, commitment: 1 };
  const quantizer = vectorQuantizer({ numCodes, dim, loss, gradient });
  const training = await once(quantizer, quantizer.initFrom(codebook()));
  // One mean with derivatives to both sides there, two means here.
  assertStep(training, reference[name], { lossFactor: 2 });
  assertClose(training.byParams.codebook, reference[name].parameterGradients[0], "codebook gradient");
  tree.dispose(training.state);
}

async function trainedMap(name: string, gradient: GradientEstimator, factor: number): Promise<void> {
  const loss = { codebook: factor, commitment: factor * 0.25 };
  const quantizer = simVq({ numCodes, dim, loss, gradient });
  const training = await once(quantizer, simVariables(codebook()));
  assertStep(training, reference[name]);
  assertClose(training.byParams.transform, reference[name].parameterGradients[0], "transform gradient");
  tree.dispose(training.state);
}

async function residualOfAverages(name: string, gradient: GradientEstimator): Promise<void> {
  const layers = [emaOf(dim, gradient), emaOf(dim, gradient)];
  const quantizer = residualQuantizer(layers, { gradient: "per-layer" });
  const states = ["codebook", "second"].map((n, i) => layers[i]!.initFrom(codebook(n)).state);
  const training = await once(quantizer, { params: { layers: [{}, {}] }, state: { layers: states } });
  assertStep(training, reference[name]);
  tree.dispose(training.state);
}

const rounded = async (name: string, levels: readonly number[]) =>
  assertStep(await once(finiteScalarQuantizer({ levels }), none()), reference[name]);

type Name = QuantizerName | QuantizerCombinationName;

/** What vector-quantize-pytorch makes of the same vectors: a new quantizer doesn't compile without. */
const heldAgainst: Readonly<Record<Name, Readonly<Record<string, () => Promise<void>>>>> = {
  vq: {
    learnable: () => learnable("learnable", "straight-through"),
    learnableRotation: () => learnable("learnableRotation", "rotation"),
    async "diveq, without noise"() {
      const loss = { codebook: 0, commitment: 0 };
      const quantizer = vectorQuantizer({ numCodes, dim, loss, gradient: "diveq", noiseStd: 0 });
      const training = await once(quantizer, quantizer.initFrom(codebook()));
      assertStep(training, reference.diveq);
      assertClose(training.byParams.codebook, reference.diveq.parameterGradients[0], "codebook gradient");
      tree.dispose(training.state);
    },
  },
  simvq: {
    simVq: () => trainedMap("simVq", "straight-through", 1),
    simVqRotation: () => trainedMap("simVqRotation", "rotation", 0.5),
  },
  fsq: {
    fsqEven: () => rounded("fsqEven", [8, 6, 4, 4]),
    fsqOdd: () => rounded("fsqOdd", [7, 5, 3, 3]),
  },
  lfq: {
    async lfq() {
      const quantizer = lookupFreeQuantizer({ dim, commitment: 0.25 });
      assertStep(await once(quantizer, none()), reference.lfq);
    },
    async lfqScaled() {
      const quantizer = lookupFreeQuantizer({ dim, scale: 0.5, entropyWeight: 0.3, diversity: 2 });
      // The inverse temperature of 100 multiplies the rounding of probabilities.
      const training = await once(quantizer, none(), input(0, 0.02), 1e-4);
      assertStep(training, reference.lfqScaled, { tolerance: 1e-4 });
    },
  },
  residual: {
    residual: () => residualOfAverages("residual", "straight-through"),
    residualRotation: () => residualOfAverages("residualRotation", "rotation"),
    async "of SimVQ"() {
      const quantizer = residualQuantizer([simVq({ numCodes, dim }), simVq({ numCodes, dim })], {
        gradient: "per-layer",
      });
      const parts = [simVariables(codebook()), simVariables(codebook("second"))];
      const training = await once(quantizer, {
        params: { layers: parts.map(({ params }) => params) },
        state: { layers: parts.map(({ state }) => state) },
      });
      assertStep(training, reference.residualSimVq);
      training.byParams.layers.forEach((layer: QuantizerTree, i: number) => {
        assertClose(layer.transform, reference.residualSimVq.parameterGradients[i], `layer ${i}`);
      });
      tree.dispose(training.state);
    },
  },
  product: {
    async product() {
      const layers = [emaOf(2), emaOf(2)];
      const part = (name: string, from: number) => codebook(name).slice([], [from, from + 2]);
      const states = [
        layers[0]!.initFrom(part("codebook", 0)).state,
        layers[1]!.initFrom(part("second", 0)).state,
      ];
      const training = await once(productQuantizer(layers), {
        params: { layers: [{}, {}] },
        state: { layers: states },
      });
      assertStep(training, reference.product);
      const codes = training.state.layers.flatMap((layer: QuantizerTree) => [
        ...layer.codebook.ref.dataSync(),
      ]);
      assertClose(codes, reference.product.codebook, "codebooks");
      tree.dispose(training.state);
    },
  },
};

describe("vector-quantize-pytorch", () => {
  for (const [kind, cases] of Object.entries(heldAgainst)) {
    for (const [name, run] of Object.entries(cases)) test(`${kind}: ${name}`, run);
  }
});

test("vector-quantize-pytorch: k-means from given centres", () => {
  const data = np.concatenate([input(0), input(1), input(2)], 1);
  for (const [name, distance] of [
    ["kMeans", "euclidean"],
    ["kMeansCosine", "cosine"],
  ] as const) {
    const { codes, counts } = kMeans(data.ref, numCodes, random.key(0), { start: codebook(), distance });
    assertClose(codes, reference[name].codes, name);
    assert.deepEqual([...counts.dataSync()], reference[name].counts);
  }
  data.dispose();
});
