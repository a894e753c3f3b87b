import { defaultDevice, init } from "@jax-js/jax";
import * as ort from "#onnxruntime";
import { DeviceLostError } from "../../src/compile/index.ts";
import { makeTiny, type Trained, tokens, trainWithEngine, trainWithJax } from "./trainTiny.ts";

export interface TrainedOnGpu extends Trained {
  /** Whether a second training gave the same bits. */
  readonly repeats: boolean;
  /** What reading at once says. */
  readonly refusal: string;
}

declare global {
  interface Window {
    trainEverywhere(): Promise<{ cpu: Trained; gpu: TrainedOnGpu; jax: number[]; device: string }>;
    loseDevice(): Promise<string[]>;
  }
}

window.trainEverywhere = async () => {
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = "/ort/";
  const available = await init();
  defaultDevice("wasm");
  const cpu = await trainWithEngine();
  const gpu = await trainWithEngine({ device: "gpu" });
  const again = await trainWithEngine({ device: "gpu" });
  const repeats = JSON.stringify([gpu.losses, gpu.state]) === JSON.stringify([again.losses, again.state]);
  const { step, state } = await makeTiny({ device: "gpu" });
  (await step(state, tokens(0))).dispose();
  let refusal = "";
  try {
    state.read();
  } catch (error) {
    refusal = (error as Error).message;
  }
  state.dispose();
  await step.dispose();
  const device = available.includes("webgpu") ? "webgpu" : "wasm";
  defaultDevice(device);
  return { cpu, gpu: { ...gpu, repeats, refusal }, jax: await trainWithJax(), device };
};

window.loseDevice = async () => {
  defaultDevice("wasm");
  const { step, state } = await makeTiny({ device: "gpu" });
  (await step(state, tokens(0))).dispose();
  const messageOf = (attempt: Promise<unknown>) =>
    attempt.then(
      () => "nothing was wrong",
      (error) => `${error instanceof DeviceLostError ? error.code : error.name} ${error.message}`,
    );
  const device = (await ort.env.webgpu.device) as GPUDevice;
  device.destroy();
  await device.lost;
  return [
    await messageOf(step(state, tokens(1))),
    await messageOf(state.load()),
    await messageOf(makeTiny({ device: "gpu" }).then(({ step, state }) => step(state, tokens(0)))),
  ];
};
