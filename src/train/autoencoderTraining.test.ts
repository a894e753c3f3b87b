import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { numpy as np, tree } from "@jax-js/jax";
import { firstDifference, flattenState, latestCheckpoint } from "../checkpoint/index.ts";
import { EngineArray } from "../compile/index.ts";
import {
  type AutoencoderConfig,
  buildOptimizer,
  parseAutoencoderConfig,
  resolveAutoencoder,
} from "../config/index.ts";
import { ImageSampler, type ImageSet } from "../data/index.ts";
import { ConfigError, DataError } from "../errors.ts";
import { summarizeUsage } from "../quantize/index.ts";
import { RunStore } from "../runs/index.ts";
import { autoencoderSteps, autoencoderTaskOn, spreadPlaces } from "../tasks/autoencoderTask.ts";
import { openTask, StepRunner, trainRun } from "./index.ts";

const folder = mkdtempSync(path.join(tmpdir(), "rotor-autoencoder-"));
after(() => rmSync(folder, { recursive: true }));

/** Images of 8 × 8: a bright bar on a dark ground, at one of 32 places. */
const images: ImageSet = {
  count: 96,
  height: 8,
  width: 8,
  channels: 1,
  pixels: Uint8Array.from({ length: 96 * 64 }, (_, i) => {
    const [image, row, column] = [Math.floor(i / 64), (i >> 3) & 7, i & 7];
    const place = (image * 5) % 32;
    const [at, level] = [place & 7, 60 + 6 * place];
    return (place < 16 ? row : column) === at ? level : 10 + (image % 7);
  }),
};

function configOf(quantizer: object, changes: object = {}): AutoencoderConfig {
  return parseAutoencoderConfig({
    task: "autoencoder",
    model: { encoder: { kind: "convolutional", channels: [8, 16], numBlocks: 1 }, reconstructionWeight: 10 },
    quantizer,
    data: { source: "allium-oreophilum", size: 8 },
    optimizer: { kind: "adamw", learningRate: 0.003, weightDecay: 0 },
    training: { steps: 40, batchSize: 16, threads: 1 },
    ...changes,
  });
}

/** Runs steps; gives what every step said, and the state at the end as plain numbers. */
async function run(config: AutoencoderConfig, numSteps: number) {
  const resolved = resolveAutoencoder(config, images);
  const { batchSize, seed } = config.training;
  const sampler = new ImageSampler({ images, batchSize, seed });
  const task = autoencoderSteps(resolved, sampler, config.training);
  const runner = new StepRunner(task, buildOptimizer(config), config.training);
  using state = await runner.init();
  const start = new Map([...flattenState(state.leaves())].map(([name, { data }]) => [name, data.slice()]));
  const results = [];
  for (let step = 0; step < numSteps; step++) results.push(await runner.run(state, step));
  const end = new Map([...flattenState(state.leaves())].map(([name, { data }]) => [name, data.slice()]));
  await runner.dispose();
  return { results, start, end, task };
}

const vq = { kind: "vq", numCodes: 32, dim: 4 } as const;
const quantizers: Record<string, object> = {
  vq: { ...vq, loss: { codebook: 1, commitment: 0.25 } },
  "vq, ema, restart": { ...vq, learning: "ema", decay: 0.9, restartBelow: 0.5 },
  "vq, restart, cosine, k-means": { ...vq, distance: "cosine", restartBelow: 0.2, initialization: "k-means" },
  "vq, diveq": { ...vq, gradient: "diveq" },
  simvq: { kind: "simvq", numCodes: 32, dim: 4, gradient: "rotation" },
  "simvq, diagonal, trained table": {
    kind: "simvq",
    numCodes: 32,
    dim: 4,
    transform: "diagonal",
    trainTable: true,
  },
  fsq: { kind: "fsq", levels: [4, 4, 3] },
  lfq: { kind: "lfq", dim: 5 },
  residual: { kind: "residual", layers: [vq, { kind: "simvq", numCodes: 16, dim: 4 }], gradient: "rotation" },
  product: { kind: "product", parts: [vq, { kind: "fsq", levels: [5, 5] }] },
  none: { kind: "none", dim: 4 },
};

for (const [name, quantizer] of Object.entries(quantizers)) {
  test(`${name}: the reconstruction improves, and every parameter moves`, async () => {
    const { results, start, end } = await run(configOf(quantizer), 40);
    const mean = (from: number) =>
      results.slice(from, from + 5).reduce((sum, { metrics }) => sum + metrics.reconstruction! / 5, 0);
    assert.ok(mean(35) < 0.8 * mean(0), `${mean(0)} to ${mean(35)}`);
    for (const [path, data] of end) {
      if (!path.startsWith("params.")) continue;
      assert.ok(
        data.some((value, i) => value !== start.get(path)![i]),
        path,
      );
    }
    const { perplexity, usage, deadCodes } = results.at(-1)!.metrics;
    if (name === "none") assert.equal(perplexity, undefined);
    else {
      // 64 vectors of a batch can't have a larger one; two codebooks have a mean.
      assert.ok(perplexity! >= 1 && perplexity! <= 64);
      // Nothing is older than the window of 100 batches.
      assert.deepEqual([usage, deadCodes], [1, 0]);
    }
  });
}

test("moving averages follow the indices of every batch, by the formula", async () => {
  const decay = 0.8;
  const config = configOf({ ...vq, learning: "ema", decay, eps: 1e-5 });
  const [before, behind] = [await run(config, 3), await run(config, 4)];
  const counts = (state: typeof before) => state.end.get("variables.quantizer.clusterSize") as Float32Array;
  // From the fourth step alone: N ← γN + (1 − γ)n with whole numbers n that add up to the vectors of a batch.
  const hits = [...counts(behind)].map((n, k) => (n - decay * counts(before)[k]!) / (1 - decay));
  for (const n of hits) assert.ok(Math.abs(n - Math.round(n)) < 1e-3, String(n));
  assert.equal(
    hits.reduce((sum, n) => sum + Math.round(n), 0),
    16 * 4,
  );
  const ages = behind.end.get("variables.ages.0") as Int32Array;
  const previous = before.end.get("variables.ages.0") as Int32Array;
  hits.forEach((n, k) => {
    assert.equal(ages[k], Math.round(n) > 0 ? 0 : previous[k]! + 1);
  });
  // e = M/(smoothed N), for all codes.
  const [table, sums] = ["codebook", "average"].map(
    (name) => behind.end.get(`variables.quantizer.${name}`) as Float32Array,
  );
  const total = counts(behind).reduce((a, b) => a + b);
  for (let k = 0; k < 32; k++) {
    const smoothed = ((counts(behind)[k]! + 1e-5) / (total + 32e-5)) * total;
    for (let i = 0; i < 4; i++)
      assert.ok(
        Math.abs(table![4 * k + i]! - sums![4 * k + i]! / smoothed) <
          1e-5 * (1 + Math.abs(table![4 * k + i]!)),
      );
  }
});

test("dead codes are replaced by vectors of the batch, and more codes are used", async () => {
  const training = { steps: 60, batchSize: 16, threads: 1, usageWindow: 10 };
  const used = async (restartBelow: number | null) => {
    const { results } = await run(
      configOf({ ...vq, numCodes: 64, decay: 0.9, restartBelow }, { training }),
      60,
    );
    return {
      dead: results.slice(-10).reduce((sum, { metrics }) => sum + metrics.deadCodes! / 10, 0),
      restarted: results.reduce((sum, { metrics }) => sum + (metrics.restarted ?? 0), 0),
    };
  };
  const [without, with_] = [await used(null), await used(0.1)];
  assert.equal(without.restarted, 0);
  assert.ok(without.dead > 32, String(without.dead));
  assert.ok(with_.restarted > 10, String(with_.restarted));
  assert.ok(with_.dead < 0.7 * without.dead, `${with_.dead} of ${without.dead}`);
});

/** The same images at every step: whole, or in `accumulate` parts. */
function inParts(quantizer: object, accumulate: number, training: object = {}) {
  return run(
    configOf(quantizer, {
      optimizer: { kind: "sgd", learningRate: 0.05 },
      training: { steps: 4, batchSize: 24 / accumulate, accumulate, clipNorm: 0.5, threads: 1, ...training },
    }),
    4,
  );
}

const ofParts: Record<string, object> = {
  vq,
  "vq, ema, k-means": { ...vq, learning: "ema", decay: 0.8, initialization: "k-means" },
  simvq: { kind: "simvq", numCodes: 32, dim: 4, gradient: "rotation", trainTable: true },
  fsq: { kind: "fsq", levels: [4, 4, 3] },
  "lfq, no entropy": { kind: "lfq", dim: 5, entropyWeight: 0, commitment: 0.25 },
  residual: { kind: "residual", layers: [{ ...vq, learning: "ema" }, vq] },
  product: { kind: "product", parts: [vq, { kind: "fsq", levels: [5, 5] }] },
  none: { kind: "none", dim: 4 },
};

for (const [name, quantizer] of Object.entries(ofParts)) {
  test(`${name}: three batches per step do what one large batch does, to codes, averages and ages too`, async () => {
    const [whole, parts] = [await inParts(quantizer, 1), await inParts(quantizer, 3)];
    whole.results.forEach(({ loss, gradNorm, metrics }, i) => {
      const other = parts.results[i]!;
      // The same images in the same order; sums in another.
      assert.ok(Math.abs(other.loss - loss) < 1e-5 * Math.max(1, loss), `loss ${loss} and ${other.loss}`);
      assert.ok(Math.abs(other.gradNorm! - gradNorm!) < 1e-4 * gradNorm!);
      assert.deepEqual(Object.keys(other.metrics), Object.keys(metrics));
      for (const [key, value] of Object.entries(metrics))
        assert.ok(Math.abs(other.metrics[key]! - value) < 1e-4 * Math.max(1, value), key);
    });
    let moved = 0;
    for (const [path, data] of whole.end) {
      const other = parts.end.get(path)!;
      moved += data.some((value, i) => Math.abs(Number(value) - Number(whole.start.get(path)![i])) > 1e-3)
        ? 1
        : 0;
      data.forEach((value, i) => {
        assert.ok(
          Math.abs(Number(other[i]) - Number(value)) < 1e-4 * Math.max(1, Math.abs(Number(value))),
          path,
        );
      });
    }
    assert.ok(moved > 3);
  });
}

test("noise and restarts with several batches per step: a resumed run is an uninterrupted one", async () => {
  const config = configOf(
    { ...vq, gradient: "diveq", noiseStd: 0.1, decay: 0.5, restartBelow: 0.5 },
    { training: { steps: 6, batchSize: 8, accumulate: 3, threads: 1, checkpointEvery: 3 } },
  );
  const home = path.join(folder, "parts");
  const whole = await trainRun({ config: { ...config, name: "whole" }, home });
  const controller = new AbortController();
  const reporter = { step: ({ step }: { step: number }) => step === 3 && controller.abort() };
  await trainRun({ config: { ...config, name: "stopped" }, home, signal: controller.signal, reporter });
  const resumed = await trainRun({ resume: "stopped", home });
  const [a, b] = [whole, resumed].map(({ run: { directory } }) => latestCheckpoint(directory));
  assert.equal(firstDifference(a!.tensors, b!.tensors), null);
});

test("restarts see the vectors of all batches of a step, and counts are per step", async () => {
  const quantizer = { ...vq, numCodes: 512, learning: "ema", decay: 0.5, restartBelow: 0.5 };
  const steps = async (accumulate: number, numSteps: number) => {
    const training = { steps: 4, batchSize: 24 / accumulate, accumulate, threads: 1 };
    const optimizer = { kind: "sgd", learningRate: 0 };
    return run(configOf(quantizer, { optimizer, training }), numSteps);
  };
  const [whole, parts] = [await steps(1, 2), await steps(3, 2)];
  // 24 images of 4 vectors hit at most 96 codes; the others fall to 0.5·0.5 after two steps and are replaced.
  const restarted = parts.results[1]!.metrics.restarted!;
  assert.ok(restarted > 300, String(restarted));
  assert.equal(restarted, whole.results[1]!.metrics.restarted);
  const rows = (state: typeof whole) => {
    const codes = state.end.get("variables.quantizer.codebook") as Float32Array;
    return new Set(
      Array.from({ length: 512 }, (_, k) =>
        codes
          .slice(4 * k, 4 * k + 4)
          .map((x) => Math.round(1e4 * x))
          .join(),
      ),
    );
  };
  // 96 vectors, drawn over 300 times: nearly all of them are codes now, whichever the draw; a third of them if one batch alone counted.
  const [a, b] = [rows(whole), rows(parts)];
  const shared = [...a].filter((row) => b.has(row)).length;
  assert.ok(shared > 0.8 * a.size && shared > 0.8 * b.size, `${shared} of ${a.size} and ${b.size}`);
});

test("k-means finds first codes among what the encoder makes of training images", async () => {
  const first = async (initialization: string, seed = 0) => {
    const training = { steps: 1, batchSize: 16, threads: 1, seed };
    const { results, start } = await run(configOf({ ...vq, initialization }, { training }), 1);
    const codes = start.get("params.quantizer.codebook") as Float32Array;
    return { ...results[0]!.metrics, codes: [...codes] } as {
      quantizationError: number;
      codes: number[];
    };
  };
  const [drawn, found] = [await first("random"), await first("k-means")];
  assert.ok(found.quantizationError < drawn.quantizationError / 5);
  assert.deepEqual((await first("k-means")).codes, found.codes);
  assert.notDeepEqual((await first("k-means", 1)).codes, found.codes);
  // 96 images of 4 vectors.
  const many = configOf({ ...vq, numCodes: 400, initialization: "k-means" });
  await assert.rejects(
    run(many, 1),
    (error: Error) => error instanceof DataError && /400 codes from 384 vectors/.test(error.message),
  );
});

test("codes of layers and parts start by k-means, a layer's of what the layers before leave over", async () => {
  const error = async (kind: "residual" | "product", starts: readonly string[]) => {
    const list = starts.map((initialization) => ({ ...vq, numCodes: 16, initialization }));
    const quantizer = kind === "residual" ? { kind, layers: list } : { kind, parts: list };
    const training = { steps: 1, batchSize: 96, threads: 1 };
    return (await run(configOf(quantizer, { training }), 1)).results[0]!.metrics.quantizationError!;
  };
  const one = (
    await run(
      configOf(
        { ...vq, numCodes: 16, initialization: "k-means" },
        { training: { steps: 1, batchSize: 96, threads: 1 } },
      ),
      1,
    )
  ).results[0]!.metrics.quantizationError!;
  const [both, first, second] = [
    await error("residual", ["k-means", "k-means"]),
    await error("residual", ["k-means", "random"]),
    await error("residual", ["random", "k-means"]),
  ];
  // 16 centres of 384 residuals leave much less; codes drawn in ±1/16 leave nearly all.
  assert.ok(both < 0.5 * first, `${both} and ${first}`);
  // Drawn codes are short: whichever layer has them does little beside the other.
  for (const each of [first, second]) assert.ok(each < one && each > 0.5 * one, `${each} and ${one}`);
  const parts = await Promise.all(
    [
      ["k-means", "k-means"],
      ["random", "k-means"],
      ["random", "random"],
    ].map((starts) => error("product", starts)),
  );
  assert.ok(parts[0]! < 0.9 * parts[1]! && parts[1]! < 0.8 * parts[2]!, String(parts));
});

test("dead codes of layers and parts are replaced by vectors that the layer saw", async () => {
  const layer = { ...vq, numCodes: 64, decay: 0.5, learning: "ema" };
  const restarting = { ...layer, restartBelow: 0.3 };
  const options = {
    optimizer: { kind: "sgd", learningRate: 0 },
    training: { steps: 4, batchSize: 16, threads: 1, seed: 1 },
  };
  const state = async (quantizer: object) => (await run(configOf(quantizer, options), 3)).end;
  const lists = [
    [layer, layer],
    [layer, restarting],
    [restarting, restarting],
  ];
  for (const kind of ["residual", "product"] as const) {
    const [none, second, both] = await Promise.all(
      lists.map((list) => state(kind === "residual" ? { kind, layers: list } : { kind, parts: list })),
    );
    const name = (i: number, what: string) => `variables.quantizer.layers.${i}.${what}`;
    const least = (tensors: typeof none, i: number) =>
      Math.min(...(tensors!.get(name(i, "clusterSize")) as Float32Array));
    // Hits fall to an eighth in three steps; of codes that restart never below the threshold.
    assert.ok(least(none, 0) < 0.2 && least(none, 1) < 0.2);
    assert.ok(least(second, 0) < 0.2 && least(second, 1) >= 0.299);
    assert.ok(least(both, 0) >= 0.299 && least(both, 1) >= 0.299);
    assert.deepEqual(second!.get(name(0, "codebook")), none!.get(name(0, "codebook")));
    // Vectors that a second layer sees are residuals, shorter than what the first one gets.
    const longest = (tensors: typeof none, i: number) =>
      Math.max(...(tensors!.get(name(i, "codebook")) as Float32Array).map(Math.abs));
    if (kind === "residual") assert.ok(longest(both, 1) < longest(both, 0));
  }
});

test("a step in the engine is the same functions without it", async () => {
  const config = configOf({ ...vq, learning: "ema", decay: 0.9, restartBelow: 0.3 });
  const { task, start, end, results } = await run(config, 1);
  assert.ok(results[0]!.metrics.restarted !== undefined);
  const toArrays = (value: unknown): unknown => {
    if (value instanceof EngineArray)
      return np.array(value.data as Float32Array<ArrayBuffer>, { shape: [...value.shape] });
    if (Array.isArray(value)) return value.map(toArrays);
    return Object.fromEntries(Object.entries(value as object).map(([key, inner]) => [key, toArrays(inner)]));
  };
  const { params, variables } = toArrays(await task.init(0)) as { params: object; variables: object };
  const batch = toArrays(task.batch(0));
  const { loss, aux } = task.loss(tree.ref(params), tree.ref(variables), tree.ref(batch));
  // Sums of some hundred numbers in another order.
  assert.ok(Math.abs(loss.item() - results[0]!.loss) < 1e-4 * results[0]!.loss);
  // EMA codes and their restart don't depend on the update of the parameters.
  const next = task.advance!(params, variables, aux!, batch);
  const expected = next.variables.quantizer.codebook as np.Array;
  const actual = end.get("variables.quantizer.codebook") as Float32Array;
  expected.dataSync().forEach((value, i) => {
    assert.ok(
      Math.abs(value - actual[i]!) < 1e-4 * Math.max(1, Math.abs(value)),
      `${i}: ${value} and ${actual[i]}`,
    );
  });
  assert.notDeepEqual([...actual], [...(start.get("variables.quantizer.codebook") as Float32Array)]);
});

test("a run that is stopped and resumed equals an uninterrupted one bit for bit, codebook, ages and restarts included", async () => {
  const config = configOf(
    { ...vq, learning: "ema", decay: 0.9, restartBelow: 0.3, initialization: "k-means" },
    {
      training: {
        steps: 12,
        batchSize: 16,
        threads: 1,
        evalEvery: 4,
        usageWindow: 3,
        emaDecay: 0.9,
        evaluateAverage: true,
      },
    },
  );
  const home = path.join(folder, "resume");
  const whole = await trainRun({ config: { ...config, name: "whole" }, home });
  const controller = new AbortController();
  const stopped = await trainRun({
    config: { ...config, name: "stopped" },
    home,
    signal: controller.signal,
    reporter: { step: ({ step }) => step === 5 && controller.abort() },
  });
  assert.deepEqual([stopped.status, stopped.step], ["interrupted", 5]);
  const resumed = await trainRun({ resume: "stopped", home });
  assert.equal(resumed.status, "finished");
  const [a, b] = [whole, resumed].map(({ run: { directory } }) => latestCheckpoint(directory));
  assert.equal(firstDifference(a!.tensors, b!.tensors), null);
  assert.deepEqual(a!.sidecar.image, { height: 8, width: 8, channels: 1 });
  for (const name of ["variables.quantizer.codebook", "variables.quantizer.clusterSize", "variables.ages.0"])
    assert.ok(a!.tensors.has(name), name);
  using store = new RunStore(home);
  const names = store.metricNames(whole.run.id);
  for (const name of ["reconstruction", "quantizationError", "perplexity", "usage", "deadCodes", "restarted"])
    assert.ok(names.includes(name), name);
  for (const name of ["validationLoss", "psnr", "validationUsage", "validationPerplexity"]) {
    assert.equal(store.metric(whole.run.id, name).length, 3, name);
  }
  for (const name of names)
    assert.deepEqual(store.metric(resumed.run.id, name), store.metric(whole.run.id, name), name);
  assert.ok(store.metric(whole.run.id, "restarted").some(({ value }) => value > 0));
  // Hits of the validation vectors, at every evaluation: what its shares were made of.
  store.metric(whole.run.id, "validationPerplexity").forEach(({ step, value }) => {
    const file = path.join(whole.run.directory, "codes", `histogram-${String(step).padStart(8, "0")}.json`);
    const [codebook] = JSON.parse(readFileSync(file, "utf8")).codebooks as [
      { numCodes: number; hits: number[][] },
    ];
    assert.equal(codebook.numCodes, 32);
    const { perplexity } = summarizeUsage(codebook.hits.map(([, count]) => count!));
    assert.ok(Math.abs(perplexity - value) < 1e-9 * value);
  });
  const { validation } = whole;
  assert.ok(Math.abs(validation!.metrics.psnr! + 10 * Math.log10(validation!.loss)) < 1e-9);
});

test("a run says when the rotation trick lengthens gradients much, and only then", async () => {
  const simvq = { kind: "simvq", numCodes: 32, dim: 4, gradient: "rotation" };
  /** With codes made longer. */
  const notes = async (quantizer: object, factor = 100) => {
    const task = autoencoderTaskOn(configOf(quantizer), { train: images, validation: images });
    const { params, variables } = (await task.init(0)) as {
      params: { quantizer: { transform: EngineArray; layers?: { transform: EngineArray }[] } };
      variables: never;
    };
    const own = params.quantizer.layers ?? [params.quantizer];
    for (const each of own) {
      const { data, shape } = each.transform;
      each.transform = EngineArray.from(
        Float32Array.from(data as Float32Array, (x) => factor * x),
        shape,
      );
    }
    const found = await task.notes!(params, variables);
    await task.close();
    return found;
  };
  const [warning] = await notes(simvq);
  assert.match(warning!, /^rotation trick: codes are [\d.e+]+ times as long as the vectors/);
  assert.deepEqual(await notes({ ...simvq, maxRatio: 1 }), []);
  assert.deepEqual(await notes({ ...simvq, gradient: "straight-through" }), []);
  assert.deepEqual(await notes(simvq, 1), []);
  const half = { ...simvq, dim: 2 };
  const plain = { ...half, gradient: "straight-through" };
  assert.deepEqual(
    (await notes({ kind: "product", parts: [plain, half] }, 1e4)).map((note) => note.slice(0, 22)),
    ["part 2, rotation trick"],
  );
  assert.equal((await notes({ kind: "product", parts: [half, half] }, 1e4)).length, 2);
});

test("evaluation goes through codes: its loss is the mean squared error, whatever the size of a batch", async () => {
  const losses = await Promise.all(
    [8, 24].map(async (batchSize) => {
      const training = { steps: 1, batchSize, evalImages: 48, threads: 1 };
      const config = configOf({ ...vq, gradient: "diveq" }, { training });
      using task = await openTask(config, folder);
      assert.deepEqual(task.facts.kind === "autoencoder" && task.facts.validationImages, 48);
      const { params, variables } = await task.init(5);
      const evaluation = await task.evaluate(params, variables);
      await task.close();
      return evaluation;
    }),
  );
  // Images are evaluated one by one; sums in another order.
  assert.ok(Math.abs(losses[0]!.loss - losses[1]!.loss) < 1e-6);
  assert.equal(losses[0]!.metrics.validationUsage, losses[1]!.metrics.validationUsage);
});

test("impossible configurations are one line that names the option", async () => {
  const refuses = async (make: () => unknown, message: RegExp) => {
    await assert.rejects(
      async () => make(),
      (error: Error) => error instanceof ConfigError && message.test(error.message),
    );
  };
  await refuses(
    () => configOf({ ...vq, numcodes: 3 }),
    /^config: quantizer\.numcodes: unknown key; did you mean numCodes\?/,
  );
  await refuses(
    () => configOf({ kind: "residual", layers: [vq, { ...vq, distanc: "cosine" }] }),
    /^config: quantizer\.layers\.1\.distanc: unknown key; did you mean distance\?/,
  );
  await refuses(
    () => configOf({ kind: "vqq" }),
    /^config: quantizer\.kind "vqq": expected one of vq, simvq, fsq, lfq, residual, product, none/,
  );
  await refuses(
    () => configOf(vq, { training: { steps: 1, batchSize: 2, length: 8 } }),
    /^config: training\.length: unknown key/,
  );
  await refuses(
    () => configOf(vq, { task: "diffusion" }),
    /^config: task "diffusion": expected one of language, autoencoder/,
  );
  await refuses(() => configOf(vq, { task: "language" }), /^config: /);
  await refuses(
    () => configOf(vq, { model: { encoder: { kind: "patch" } } }),
    /^config: model\.encoder\.patchSize is missing/,
  );
  const open = (quantizer: object, changes: object = {}) => openTask(configOf(quantizer, changes), folder);
  await refuses(
    () => open(vq, { data: { source: "allium-oreophilum", size: 10 } }),
    /^config: model\.encoder: images of 10 × 10: expected sides divisible by 4/,
  );
  await refuses(
    () => open({ kind: "fsq", levels: [1024, 1025] }),
    /^config: quantizer: a codebook of 1049600 codes: expected at most 1048576/,
  );
  await refuses(
    () => open({ ...vq, eps: 0.1 }),
    /^config: quantizer\.eps 0\.1: expected with learning "ema" only/,
  );
  await refuses(
    () => open({ kind: "product", parts: [vq, { kind: "residual" }] }),
    /^config: quantizer\.parts\.1/,
  );
});

test("batches of images are a function of the step, and every image comes once per epoch", () => {
  const sampler = new ImageSampler({ images, batchSize: 12, seed: 3 });
  const epoch = (first: number) =>
    Array.from({ length: 8 }, (_, i) => [...sampler.indices(first + i)]).flat();
  assert.deepEqual(
    epoch(0).toSorted((a, b) => a - b),
    Array.from({ length: 96 }, (_, i) => i),
  );
  assert.notDeepEqual(epoch(8), epoch(0));
  assert.deepEqual(
    epoch(8).toSorted((a, b) => a - b),
    epoch(0).toSorted((a, b) => a - b),
  );
  assert.equal(sampler.epochs(4), 0.5);
  const [place] = sampler.indices(5);
  assert.ok(Math.abs(sampler.batch(5)[9]! - images.pixels[64 * place! + 9]! / 255) < 1e-7);
  assert.throws(() => new ImageSampler({ images, batchSize: 0, seed: 0 }), ConfigError);
});

test("places are spread: each once, and every beginning over all tenths", () => {
  for (const total of [1, 2, 3, 7, 64, 960, 1248]) {
    const all = spreadPlaces(total, total + 5);
    assert.deepEqual(
      [...all].sort((a, b) => a - b),
      Array.from({ length: total }, (_, i) => i),
    );
    assert.deepEqual(spreadPlaces(total, 5), all.slice(0, 5));
  }
  for (const total of [960, 1248]) {
    const places = spreadPlaces(total, 16);
    assert.equal(new Set(places.map((place) => Math.floor((10 * place) / total))).size, 10);
    // Digits of a period of ten don't repeat all the time either.
    assert.ok(new Set(places.map((place) => place % 10)).size > 4, String(places));
  }
});
