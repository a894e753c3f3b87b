import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { before, describe, test } from "node:test";
import { DType, numpy as np, tree } from "@jax-js/jax";
import {
  compile,
  compileStep,
  EngineArray,
  EngineError,
  toDevice,
  UnsupportedPrimitiveError,
} from "../compile/index.ts";
import { type LeafValue, readTree } from "../compile/testing/compareWithJax.ts";
import { whyNoGpu } from "../compile/testing/gpu.ts";
import { type TrainingModel, trainingModels } from "./testing/trainingModels.ts";

const numSteps = 3;
/** Its random bits are made on the CPU: WebGPU has no kernels for them. */
const randomModel = "dropout and noise from a key in the state";

const bytesOf = (arrays: readonly np.Array[]) => arrays.reduce((sum, { size }) => sum + 4 * size, 0);

async function follow(model: TrainingModel, device: "cpu" | "gpu", profile?: string) {
  await using step = compileStep(model.step, { device, ...(profile !== undefined && { profile }) });
  using state = await step.init(model.initialState());
  const losses: number[] = [];
  const transferred = [];
  for (let i = 0; i < numSteps; i++) {
    losses.push((await step(state, ...model.batch(i))).loss.item());
    transferred.push(step.transferred());
  }
  return { losses, transferred, state: readTree(state.read()), byteLength: state.byteLength };
}

/** How often operators ran by execution provider, and which ran on the CPU, from the runtime's own profiles. */
function operatorsByProvider(folder: string): { counts: Record<string, number>; onCpu: string[] } {
  const counts: Record<string, number> = {};
  const onCpu = new Set<string>();
  for (const name of readdirSync(folder)) {
    const events = JSON.parse(readFileSync(path.join(folder, name), "utf8")) as {
      cat: string;
      args?: { provider?: string; op_name: string };
    }[];
    for (const { cat, args } of events) {
      if (cat !== "Node" || args?.provider === undefined) continue;
      counts[args.provider] = (counts[args.provider] ?? 0) + 1;
      if (args.provider === "CPUExecutionProvider" || args.op_name.startsWith("Memcpy"))
        onCpu.add(args.op_name);
    }
  }
  return { counts, onCpu: [...onCpu].sort() };
}

function farthest({ data }: LeafValue, expected: LeafValue): number {
  let [off, size] = [0, 1];
  for (let i = 0; i < expected.data.length; i++) {
    off = Math.max(off, Math.abs(data[i]! - expected.data[i]!));
    size = Math.max(size, Math.abs(expected.data[i]!));
  }
  return off / size;
}

describe("training on a GPU", () => {
  let reason: string | null = null;
  before(async () => {
    reason = await whyNoGpu();
  });

  for (const model of trainingModels) {
    test(`${model.name}: as on the CPU, with nothing copied but batches and losses`, async (t) => {
      if (reason !== null) return t.skip(reason);
      const folder = mkdtempSync(path.join(tmpdir(), "rotor-gpu-"));
      try {
        const expected = await follow(model, "cpu");
        const actual = await follow(model, "gpu", path.join(folder, "profile"));
        for (const [i, loss] of expected.losses.entries()) {
          const off = Math.abs(actual.losses[i]! - loss) / Math.max(1, Math.abs(loss));
          assert.ok(off < 2e-5, `loss of step ${i}: ${actual.losses[i]}, expected ${loss}`);
        }
        assert.equal(actual.state.structure, expected.state.structure);
        for (const [i, leaf] of expected.state.leaves.entries()) {
          const off = farthest(actual.state.leaves[i]!, leaf);
          assert.ok(off < 1e-3, `leaf ${i} of the state is off by ${off}`);
        }
        // The state goes up once; then a step takes its batch up and its loss down.
        const batches = Array.from({ length: numSteps }, (_, i) => model.batch(i));
        let up = actual.byteLength;
        for (const [i, batch] of batches.entries()) {
          up += bytesOf(batch);
          assert.deepEqual(actual.transferred[i], { up, down: 4 * (i + 1) });
          tree.dispose(batch);
        }
        const { counts, onCpu } = operatorsByProvider(folder);
        assert.ok(counts.WebGpuExecutionProvider! > 50, JSON.stringify(counts));
        if (model.name === randomModel) assert.ok(onCpu.includes("BitwiseXor"), onCpu.join());
        else assert.deepEqual(onCpu, []);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    });
  }

  test("the state is read, written and passed on where it is, and steps repeat bit for bit", async (t) => {
    if (reason !== null) return t.skip(reason);
    const model = trainingModels[0]!;
    await using step = compileStep(model.step, { device: "gpu" });
    using state = await step.init(model.initialState());
    const advance = async (i: number) => (await step(state, ...model.batch(i))).loss.item();
    await advance(0);
    const saved = readTree(state.read());
    const [first, second] = [await advance(1), await advance(2)];
    const after = readTree(state.read());
    assert.notDeepEqual(after, saved);

    // A checkpoint: back, and the same way again.
    const [, structure] = tree.flatten(state.read()) as [unknown, tree.JsTreeDef];
    const arrays = saved.leaves.map(({ data, shape }) =>
      EngineArray.from(Float32Array.from(data), [...shape]),
    );
    await state.write(tree.unflatten(structure, arrays));
    assert.deepEqual(readTree(state.read()), saved);
    assert.deepEqual([await advance(1), await advance(2)], [first, second]);
    assert.deepEqual(readTree(state.read()), after);

    // Another function reads the state on the device; what it returns may stay there.
    await using doubled = compile((leaves: np.Array[]) => leaves.map((leaf) => leaf.mul(2)), {
      device: "gpu",
      outputs: "engine",
    });
    const leaves = tree.flatten(state.leaves())[0] as EngineArray[];
    const results = (await doubled(leaves)) as EngineArray[];
    await advance(3);
    assert.throws(() => leaves[0]!.data, /its state has been advanced/);
    for (const [i, result] of results.entries())
      assert.deepEqual(
        Array.from(result.data),
        Array.from(after.leaves[i]!.data, (value) => 2 * value),
      );
    // And one on the CPU reads what lies on the device.
    await using onCpu = compile((x: np.Array) => x.add(1));
    const plusOne = await onCpu(results[0] as never);
    assert.deepEqual(
      Array.from(plusOne.dataSync()),
      Array.from(results[0]!.data, (value) => Math.fround(value + 1)),
    );
  });

  test("arrays that many calls share go to the device once", async (t) => {
    if (reason !== null) return t.skip(reason);
    const host = {
      a: EngineArray.from(Float32Array.of(1, 2), [2]),
      b: [EngineArray.from(Int32Array.of(3), [])],
    };
    assert.equal(await toDevice(host, { device: "cpu" }), host);
    const moved = await toDevice(host, { device: "gpu" });
    assert.deepEqual(Array.from(moved.a.data), [1, 2]);
    assert.deepEqual(Array.from(await moved.b[0]!.load()), [3]);
    assert.equal(await toDevice(moved, { device: "gpu" }), moved);
  });

  test("a GPU's state doesn't grow over many steps", async (t) => {
    if (reason !== null) return t.skip(reason);
    await using step = compileStep(
      (w: np.Array, x: np.Array) => [w.ref.mul(0.5).add(x), np.sum(w)] as const,
      {
        device: "gpu",
      },
    );
    using state = await step.init(np.zeros([128, 1024]));
    const run = async (times: number) => {
      for (let i = 0; i < times; i++) (await step(state, np.ones([1024]))).dispose();
    };
    await run(12);
    const before = process.memoryUsage.rss();
    await run(240);
    // One set of buffers a step would be 120 MiB, which a device in software takes from this process.
    assert.ok(process.memoryUsage.rss() - before < 64 * 2 ** 20);
    assert.ok(Math.abs((state.read() as np.Array).dataSync()[0]! - 2) < 1e-6);
  });
});

test("what a GPU can't do, and what is no device, is refused by name", async () => {
  await using onGpu = compile((x: np.Array) => x.mul(2), { device: "gpu" });
  await assert.rejects(
    onGpu(np.array([1], { dtype: DType.Float64 })),
    (error) =>
      error instanceof UnsupportedPrimitiveError &&
      /float64.*a GPU has no float64: cast to float32/.test(error.message),
  );
  await using cast = compile((x: np.Array) => x.astype(DType.Float64), { device: "gpu" });
  await assert.rejects(cast(np.array([1])), /primitive "cast" on \(float32\[1\]\).*a GPU has no float64/);
  await using unknown = compile((x: np.Array) => x, { device: "tpu" as never });
  await assert.rejects(
    unknown(np.array([1])),
    (error) => error instanceof EngineError && error.message === 'device "tpu": expected cpu, gpu, auto',
  );
  await using both = compile((x: np.Array) => x, { device: "gpu", runtime: "binding" });
  await assert.rejects(both(np.array([1])), /device "gpu": decides runtime itself; leave it out/);
});
