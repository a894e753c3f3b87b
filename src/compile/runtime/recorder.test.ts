import assert from "node:assert/strict";
import { test } from "node:test";
import { numpy as np } from "@jax-js/jax";
import { DeviceBuffer, type Elements, hostData } from "../elements.ts";
import { Graph } from "../graph.ts";
import { compileStep, EngineArray } from "../index.ts";
import { encodeModel } from "../onnxModel.ts";
import { EngineSession } from "../session.ts";
import { whyNoGpu } from "../testing/gpu.ts";
import { OnnxLibrary } from "./onnxLibrary.ts";
import { digest, type Mode, Recorder } from "./recorder.ts";

test("a route is run, recorded, checked, and then done again from its recording", () => {
  const renewed: boolean[] = [];
  const recorder = new Recorder((records) => renewed.push(records));
  const modes = (route: string, times: number): Mode[] =>
    Array.from({ length: times }, () => recorder.next(route).mode);
  assert.deepEqual(modes("a", 2), ["plain", "record"]);
  assert.deepEqual(modes("b", 3), ["plain", "record", "check"]);
  assert.deepEqual(modes("a", 3), ["check", "replay", "replay"]);
  assert.notEqual(recorder.next("a").id, recorder.next("b").id);
  recorder.judge(true);
  assert.deepEqual(modes("b", 1), ["replay"]);
  assert.deepEqual(renewed, []);
  recorder.judge(false);
  assert.deepEqual(renewed, [false]);
  assert.deepEqual(modes("a", 4), ["plain", "plain", "plain", "plain"]);
});

test("a run that threw counts for nothing: its recording is made and checked by the next ones", () => {
  const recorder = new Recorder(() => assert.fail("nothing is renewed"));
  assert.equal(recorder.next("a").mode, "plain");
  for (const mode of ["record", "check"] as const) {
    assert.equal(recorder.next("a").mode, mode);
    recorder.failed("a");
    assert.equal(recorder.next("a").mode, mode);
  }
  assert.equal(recorder.next("a").mode, "replay");
});

test("buffers that come and go make no end of recordings", () => {
  const renewed: boolean[] = [];
  const recorder = new Recorder((records) => renewed.push(records));
  for (let i = 0; i < 1000; i++) assert.equal(recorder.next(`route ${i}`).mode, "plain");
  assert.deepEqual(renewed, [...Array<boolean>(8).fill(true), false]);
});

test("the digest of two arrays tells their bits and their order", () => {
  const [a, b] = [Float32Array.of(1, 2), Float32Array.of(2, 1)];
  assert.equal(digest([a, b]), digest([a.slice(), b.slice()]));
  assert.notEqual(digest([a, b]), digest([b, a]));
  assert.notEqual(digest([Float32Array.of(0)]), digest([Float32Array.of(-0)]));
  assert.notEqual(digest([Uint8Array.of(1, 0, 1)]), digest([Uint8Array.of(1, 1, 0)]));
});

/** Runs `work` and gives the number of the recording, or −1, of each run that may be recorded. */
async function recordingsOf(work: () => Promise<void>): Promise<number[]> {
  const ids: number[] = [];
  const { runOptions } = OnnxLibrary.prototype;
  OnnxLibrary.prototype.runOptions = function (entries) {
    ids.push(Number(entries.gpu_graph_id));
    return runOptions.call(this, entries);
  };
  try {
    await work();
  } finally {
    OnnxLibrary.prototype.runOptions = runOptions;
  }
  return ids;
}

test("a step on a GPU is recorded, with results that are views, arguments and the same twice", async (t) => {
  const reason = await whyNoGpu();
  if (reason !== null) return t.skip(reason);
  interface State {
    readonly w: np.Array;
    readonly turned: np.Array;
    readonly fixed: np.Array;
    readonly again: np.Array;
    readonly steps: np.Array;
  }
  const step = ({ w, turned, fixed, steps }: State, x: np.Array) => {
    const next = w.mul(0.5).add(x);
    turned.dispose();
    const state = { w: next.ref, turned: next.ref.reshape([3, 2]), fixed: fixed.ref, again: next.ref };
    return [
      { ...state, steps: steps.add(1) },
      { sum: np.sum(next), same: fixed.ref, fixed },
    ] as const;
  };
  const initial = (): State => ({
    w: np.zeros([2, 3]),
    turned: np.zeros([3, 2]),
    fixed: np.array([7, 8]),
    again: np.zeros([2, 3]),
    steps: np.array(0, { dtype: np.int32 }),
  });
  const follow = async (device: "cpu" | "gpu") => {
    await using compiled = compileStep(step, { device, outputs: "engine" });
    using state = await compiled.init(initial() as never);
    const seen: unknown[] = [];
    for (let i = 0; i < 9; i++) {
      const batch = EngineArray.from(
        Float32Array.from({ length: 6 }, (_, j) => i + j),
        [2, 3],
      );
      const { sum, same, fixed } = await compiled(state, batch as never);
      seen.push([sum, same, fixed].map(({ data }) => [...data]));
      const { w, turned, fixed: kept, again, steps } = state.leaves();
      seen.push([w, turned, kept, again, steps].map(({ data }) => [...data]));
    }
    return seen;
  };
  const expected = await follow("cpu");
  let actual: unknown[] = [];
  const ids = await recordingsOf(async () => {
    actual = await follow("gpu");
  });
  // Halves and small integers: no device rounds them.
  assert.deepEqual(actual, expected);
  // The state comes from the host once, and goes between two sets of buffers from then on.
  assert.deepEqual(ids.slice(-2).sort(), [2, 3], `runs were ${ids.join()}`);
});

test("a recording that leaves something out is found, and the session goes on without one", async (t) => {
  const reason = await whyNoGpu();
  if (reason !== null) return t.skip(reason);
  // What a Reshape returns is copied into its buffer, which is no kernel; compiled functions return nothing so.
  const graph = new Graph();
  const [x, y] = [graph.input("float32", [2, 2]), graph.input("float32", [4])];
  const sum = graph.op("Add", [graph.reshape(x, [4]), y], "float32", [4]);
  const model = encodeModel(graph, [graph.reshape(sum, [2, 2])], "view");
  const [square, row] = [
    { dtype: "float32", shape: [2, 2] },
    { dtype: "float32", shape: [4] },
  ];
  const program = {
    model,
    aliveBytes: 64,
    repeated: [null],
    inputs: [square, row],
    outputs: [square],
    largest: null,
  };
  const seen: number[] = [];
  const ids = await recordingsOf(async () => {
    const session = await EngineSession.load(program, { device: "gpu" }, { kept: 1, repeats: true });
    let [current, free]: (Elements | null)[] = [new Float32Array(4), null];
    for (let i = 0; i < 9; i++) {
      const [made] = await session.run([current!, Float32Array.of(i, 0, 0, 1)], [free!]);
      [current, free] = [made!, current instanceof DeviceBuffer ? current : null];
      seen.push(hostData(current)[0]!);
    }
    await session.release();
  });
  assert.deepEqual(seen, [0, 1, 3, 6, 10, 15, 21, 28, 36]);
  assert.ok(ids.includes(2), `runs were ${ids.join()}`);
  assert.equal(ids.at(-1), -1);
});
