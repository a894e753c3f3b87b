import assert from "node:assert/strict";
import { test } from "node:test";
import { openImages } from "../../data/index.ts";
import { type MethodName, methodNames, methods } from "./methods.ts";
import { logLossRatio, type SimVqResults, shareOfSteps, stepsToReachVq } from "./results.ts";
import { type QuantizerTrialResult, quantizerTrial } from "./trial.ts";
import { simVqVerdicts } from "./verdicts.ts";

test("every method has as many codes as the others", () => {
  for (const size of [64, 1024, 8192, 65536]) {
    for (const name of methodNames) {
      const config = methods[name].quantizer(size, 512);
      const codes =
        config.kind === "fsq"
          ? config.levels.reduce((a, b) => a * b, 1)
          : "numCodes" in config && config.numCodes;
      assert.equal(codes, size, name);
    }
  }
});

test("the share of steps is read between the points of the curve, in the logarithm", () => {
  const curve = [
    [10, 1],
    [20, 0.01],
    [30, 0.02],
  ] as const;
  assert.equal(shareOfSteps(curve, 2, 40), 10 / 40);
  assert.ok(Math.abs(shareOfSteps(curve, 0.1, 40) - 15 / 40) < 1e-12);
  assert.equal(shareOfSteps(curve, 0.001, 40), 1);
});

/** Results in which each method has one loss and one usage by size. */
function planted(of: (method: MethodName, size: number) => { loss: number; usage: number }): SimVqResults {
  const seeds = [1, 2, 3];
  return {
    sizes: [1024, 8192],
    seeds,
    steps: 100,
    triedAt: () => true,
    of: (method, size) =>
      seeds.map((seed): QuantizerTrialResult => {
        const { loss, usage } = of(method, size);
        const noise = 1 + 1e-4 * seed;
        return {
          loss: loss * noise,
          psnr: -10 * Math.log10(loss),
          usage: usage * noise,
          trainUsage: usage,
          perplexity: 10,
          quantizationError: 0.1,
          curve: [
            [50, 2 * loss],
            [100, loss],
          ],
        };
      }),
  };
}

test("verdicts follow planted results, both ways", () => {
  const asPublished = planted((method, size) => {
    const large = size === 8192;
    if (method.startsWith("VQ (STE)")) return { loss: 0.01, usage: large ? 0.01 : 0.05 };
    if (method === "SimVQ (W only)" || method === "SimVQ (both)")
      return { loss: large ? 0.002 : 0.003, usage: 0.98 };
    if (method === "SimVQ, diagonal") return { loss: 0.005, usage: 0.5 };
    return { loss: 0.008, usage: 0.96 };
  });
  assert.ok(
    Math.abs(logLossRatio(asPublished, ["SimVQ (W only)", 1024], ["FSQ", 1024]).mean - Math.log(3 / 8)) <
      1e-6,
  );
  // SimVQ's first point is 0.006, below VQ's last, 0.01.
  assert.ok(Math.abs(stepsToReachVq(asPublished, "SimVQ (W only)", 1024).mean - 0.5) < 1e-3);
  for (const { verdict, claim, found } of simVqVerdicts(asPublished))
    assert.equal(verdict, "holds", `${claim}: ${found}`);

  const reversed = planted((method, size) => {
    const large = size === 8192;
    if (method.startsWith("VQ (STE)")) return { loss: large ? 0.001 : 0.002, usage: 0.98 };
    if (method === "SimVQ (both)") return { loss: 0.002, usage: 0.2 };
    if (method === "SimVQ (W only)") return { loss: large ? 0.006 : 0.005, usage: 0.2 };
    if (method === "SimVQ, diagonal") return { loss: 0.02, usage: 0.1 };
    return { loss: 0.003, usage: 0.5 };
  });
  for (const { verdict, claim, found } of simVqVerdicts(reversed))
    assert.equal(verdict, "fails", `${claim}: ${found}`);
});

test("a trial is repeatable, and its start and its quantizer are what the method says", async () => {
  const data = await openImages({ source: "allium-oreophilum", size: 16, stride: 32 });
  const trial = {
    numCodes: 64,
    seed: 1,
    steps: 4,
    batchSize: 8,
    channels: [4, 8],
    learningRate: 0.004,
    reconstructionWeight: 14,
    evalEvery: 2,
    evalImages: 16,
  };
  const run = (method: MethodName, seed = 1) => quantizerTrial({ ...trial, method, seed }, data, 1);
  const first = await run("VQ (STE)");
  assert.deepEqual(await run("VQ (STE)"), first);
  assert.deepEqual(
    first.curve.map(([step]) => step),
    [2, 4],
  );
  assert.ok(Math.abs(first.psnr! + 10 * Math.log10(first.loss!)) < 1e-3);
  const others = await Promise.all([
    run("VQ (STE)", 2),
    run("VQ (STE), SimVQ's start"),
    run("SimVQ (W only)"),
    run("SimVQ, diagonal"),
    run("FSQ"),
  ]);
  for (const other of others) assert.notEqual(other.loss, first.loss);
});
