import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { init, numpy as np, random, tree } from "@jax-js/jax";
import { Matrix, solve } from "ml-matrix";
import { toEngine } from "../../compile/index.ts";
import { evaluationBatches, openTokenDataset, type TokenDataset } from "../../data/index.ts";
import {
  initTransformer,
  type PositionKind,
  resolveTransformerConfig,
  type TransformerConfig,
  transformerLoss,
} from "../../nn/index.ts";
import { type TrainTrial, trainTrial } from "../trainTrial.ts";
import { bigramLoss } from "./bigramLoss.ts";
import { collisionSlope, initialTrial } from "./initialTrial.ts";
import { fitLinearProbe, orderingAccuracy, predictLinearProbe, rSquared } from "./linearProbe.ts";
import { permutationTrial, roundingBound } from "./permutationTrial.ts";
import { logarithmicPlaces, octaves } from "./places.ts";
import { PositionMeter } from "./positionMeasures.ts";
import { uniformTrial } from "./uniformTrial.ts";

await init();
const home = mkdtempSync(path.join(tmpdir(), "rotor-nope-"));
after(() => rmSync(home, { recursive: true }));

const openText = () =>
  openTokenDataset({
    source: "moby-dick",
    tokenizer: "bytes",
    validationFraction: 0.05,
    seed: 1,
    cacheDirectory: path.join(home, "cache"),
  });

test("the probe is ridge regression on standardized features", () => {
  const rows = Array.from({ length: 40 }, (_, i) => [Math.sin(i), 3 + 10 * Math.cos(2 * i), i % 5]);
  const targets = rows.map(([a, b, c]) => [2 * a! - 0.3 * b! + c! + 7, a! * b!]);
  const exact = fitLinearProbe(new Matrix(rows), new Matrix(targets), 0);
  predictLinearProbe(exact, new Matrix(rows))
    .getColumn(0)
    .forEach((value, i) => {
      // A linear target; the Gram matrix is well-conditioned, so float64 loses few digits.
      assert.ok(Math.abs(value - targets[i]![0]!) < 1e-10);
    });
  const ridge = 0.5;
  const own = fitLinearProbe(new Matrix(rows), new Matrix(targets), ridge);
  const columns = [0, 1, 2].map((j) => rows.map((row) => row[j]!));
  const standardized = columns.map((column) => {
    const mean = column.reduce((a, b) => a + b) / 40;
    const scale = Math.sqrt(column.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 40);
    return column.map((value) => (value - mean) / scale);
  });
  const y = targets.map((row) => row[1]!);
  const mean = y.reduce((a, b) => a + b) / 40;
  const dot = (a: number[], b: number[]) => a.reduce((sum, value, i) => sum + value * b[i]!, 0) / 40;
  const gram = standardized.map((a, i) => standardized.map((b, j) => dot(a, b) + (i === j ? ridge : 0)));
  const moments = standardized.map((a) => [
    dot(
      a,
      y.map((value) => value - mean),
    ),
  ]);
  const expected = solve(new Matrix(gram), new Matrix(moments)).getColumn(0);
  own.weights.getColumn(1).forEach((value, i) => {
    assert.ok(Math.abs(value - expected[i]!) < 1e-12);
  });
});

test("R² and ordering are those of their definitions", () => {
  assert.equal(rSquared([1, 2, 3], [1, 2, 3]), 1);
  assert.equal(rSquared([1, 2, 3], [2, 2, 2]), 0);
  assert.equal(rSquared([1, 2, 3], [3, 2, 1]), -3);
  assert.equal(orderingAccuracy([1, 2], [3, 4]), 1);
  assert.equal(orderingAccuracy([1, 3], [2, 3]), (1 + 0 + 1 + 0.5) / 4);
  assert.deepEqual(logarithmicPlaces(16), [1, 2, 3, 4, 6, 8, 11, 16]);
  assert.deepEqual(octaves(10), [
    [1, 2],
    [2, 4],
    [4, 8],
    [8, 10],
  ]);
});

test("uniform attention has its three slopes, and d′ the size of the law", () => {
  const dim = 32;
  const { slope, differenceSlope, detectabilitySlope, places, detectability } = uniformTrial({
    sequences: 256,
    length: 128,
    dim,
    seed: 3,
  });
  // 8192 values per place: the standard deviation of RMS is 0.8 %, over ln 128 = 4.9.
  assert.ok(Math.abs(slope + 0.5) < 0.01, `slope ${slope}`);
  // Differences from n to n + 1 have more noise; eight standard errors seen over seeds are 0.1.
  assert.ok(Math.abs(differenceSlope + 1.5) < 0.1, `slope of differences ${differenceSlope}`);
  assert.ok(Math.abs(detectabilitySlope + 1) < 0.1, `slope of d′ ${detectabilitySlope}`);
  // ln ‖y‖² of 32 components is skew: its deviation exceeds √(2/32) by 3 %; the rest is noise of 256 sequences.
  detectability.forEach((value, i) => {
    const law = Math.log(1 + 1 / (places[i]! - 0.5)) * Math.sqrt(dim / 2);
    assert.ok(Math.abs(value / law - 1) < 0.3, `d′ at ${places[i]}: ${value} instead of ${law}`);
  });
});

test("the order is invisible without mask and positions, and visible with either from two layers on", async () => {
  const settings = { numLayers: 2, modelDim: 16, numHeads: 2, length: 8, permutations: 3, seed: 5 } as const;
  const sensitivity = (mask: "bidirectional" | "causal", position: "none" | "rope", numLayers = 2) =>
    permutationTrial({ ...settings, mask, position, numLayers });
  assert.ok((await sensitivity("bidirectional", "none")).largest <= roundingBound(settings));
  assert.ok((await sensitivity("causal", "none", 1)).largest <= roundingBound(settings));
  assert.ok((await sensitivity("causal", "none")).smallest > 0.01);
  assert.ok((await sensitivity("bidirectional", "rope")).smallest > 0.01);
});

test("equal tokens flatten the slope", async () => {
  assert.ok(Math.abs(collisionSlope(0, 64) + 0.5) < 1e-12);
  assert.equal(collisionSlope(1, 64), 0);
  const settings = {
    tokens: "independent",
    qkNorm: false,
    vocabSize: 1000,
    numLayers: 2,
    modelDim: 32,
    numHeads: 2,
    length: 64,
    batchSize: 16,
    numBatches: 4,
    seed: 1,
  } as const;
  const [independent, few, text] = await Promise.all([
    initialTrial(settings, home, 1),
    initialTrial({ ...settings, vocabSize: 4 }, home, 1),
    initialTrial({ ...settings, tokens: "books", vocabSize: 257 }, home, 1),
  ]);
  // 64 sequences of 2,016 pairs each: a relative standard deviation of 9 % at 1/1000.
  assert.ok(Math.abs(independent.collision - 0.001) < 0.0004);
  assert.ok(Math.abs(few.collision - 0.25) < 0.01);
  assert.ok(text.collision > 0.05 && text.collision < 0.09);
  const first = ({ slopes }: { slopes: readonly (readonly number[])[] }) =>
    slopes[0]!.reduce((a, b) => a + b, 0) / slopes[0]!.length;
  // Two heads of 16 components and 64 sequences, and weights that are only nearly uniform.
  assert.ok(Math.abs(first(independent) - independent.predictedSlope) < 0.05);
  assert.ok(first(few) > first(independent) + 0.2);
  assert.deepEqual([independent.slopes.length, independent.slopes[0]!.length], [2, 2]);
  assert.equal(independent.rms[0]!.length, logarithmicPlaces(64).length);
});

function smallModel(position: PositionKind, maxLength: number): TransformerConfig {
  return resolveTransformerConfig({
    vocabSize: 257,
    numLayers: 1,
    modelDim: 16,
    numHeads: 2,
    maxLength,
    position,
  });
}

test("losses by place are the model's, and go on beyond the training's length where positions do", async () => {
  const options = { at: [0], lengthFactor: 2, sequences: 16 };
  using data = await openText();
  const config = smallModel("alibi", 16);
  const params = initTransformer(random.key(2), config);
  await using meter = new PositionMeter(options, config, 16, data.validation, 1);
  const { losses, step, slopes, probes } = await meter.measure(await toEngine(tree.ref(params)), 7);
  assert.equal(step, 7);
  assert.equal(losses.length, 32);
  assert.deepEqual([slopes.length, slopes[0]!.length, probes.length], [1, 2, 2]);
  const [batch] = evaluationBatches(data.validation, 16, 32, 1);
  const expected = transformerLoss(params, np.array(batch!, { shape: [16, 33] }), config);
  const mean = losses.reduce((a, b) => a + b, 0) / 32;
  // Five digits are kept of each.
  assert.ok(Math.abs(mean - ((await expected.data())[0] as number)) < 1e-4);
});

test("a learned table has no losses beyond, and its places are in the embeddings; NoPE's aren't", async () => {
  const options = { at: [0], lengthFactor: 2, sequences: 64 };
  using data = await openText();
  const measure = async (position: PositionKind) => {
    const config = smallModel(position, 16);
    await using meter = new PositionMeter(options, config, 16, data.validation, 1);
    return await meter.measure(await toEngine(initTransformer(random.key(2), config)), 0);
  };
  const [none, learned, sinusoidal] = [
    await measure("none"),
    await measure("learned"),
    await measure("sinusoidal"),
  ];
  assert.equal(learned.losses.length, 16);
  assert.equal(sinusoidal.losses.length, 32);
  assert.ok(none.probes[0]!.linear < 0.1, `NoPE ${none.probes[0]!.linear}`);
  assert.ok(sinusoidal.probes[0]!.linear > 0.9, `sinusoidal ${sinusoidal.probes[0]!.linear}`);
  assert.ok(learned.probes[0]!.linear > 0.5, `learned ${learned.probes[0]!.linear}`);
  assert.equal(none.probes[0]!.ordering.length, octaves(16).length);
  // Sinusoids tell neighbours apart, embeddings alone don't.
  assert.ok(sinusoidal.probes[0]!.ordering[0]! > 0.9);
  assert.ok(Math.abs(none.probes[0]!.ordering.at(-1)! - 0.5) < 0.1);
});

test("a table of pairs knows what follows a byte, and is judged on held-out text", async () => {
  using data = await openText();
  const loss = bigramLoss(data, { batchSize: 4, length: 64, batches: 8 });
  // English: 2.9 nats without context, about 2.4 given one letter.
  assert.ok(loss > 2.2 && loss < 2.6, `${loss}`);
  const source = (values: number[]) => ({
    length: values.length,
    read: (start: number, count: number, target: Int32Array, at: number) =>
      target.set(values.slice(start, start + count), at),
  });
  // After 0 comes 1 ten times of ten, after 1 comes 0 ten times; V = 2.
  const alternating = Array.from({ length: 21 }, (_, i) => i % 2);
  const made = {
    tokenizer: { vocabSize: 2 },
    train: source(alternating),
    validation: source([0, 1, 0, 0, 1]),
  } as TokenDataset;
  const expected = -(3 * Math.log(10.5 / 11) + Math.log(0.5 / 11)) / 4;
  // Five digits are kept.
  assert.ok(Math.abs(bigramLoss(made, { batchSize: 1, length: 4, batches: 1 }) - expected) < 1e-4);
});

test("a trial measures positions at the steps that it is asked for", async () => {
  const trial = (at: number[]): TrainTrial => ({
    config: {
      model: { numLayers: 1, modelDim: 16, numHeads: 2, maxLength: 16, position: "none" },
      data: { source: "moby-dick" },
      optimizer: { kind: "adamw", learningRate: 0.01 },
      training: { steps: 2, batchSize: 2, length: 16, evalBatches: 1, seed: 1 },
    },
    positions: { at, lengthFactor: 2, sequences: 16 },
  });
  const { positions } = await trainTrial(trial([0, 1, 2]), home);
  assert.deepEqual(
    positions!.map(({ step }) => step),
    [0, 1, 2],
  );
  assert.notDeepEqual(positions![0]!.losses, positions![2]!.losses);
  const { positions: none, ...rest } = await trainTrial({ config: trial([]).config }, home);
  assert.equal(none, undefined);
  assert.ok(rest.validationLoss !== null);
});
