import { defaultDevice, init } from "@jax-js/jax";
import * as ort from "#onnxruntime";
import { trainWithEngine, trainWithJax } from "./trainTiny.ts";

declare global {
  interface Window {
    trainEverywhere(): Promise<{ engine: number[]; jax: number[]; device: string }>;
  }
}

window.trainEverywhere = async () => {
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = "/ort/";
  const available = await init();
  defaultDevice("wasm");
  const engine = await trainWithEngine();
  const device = available.includes("webgpu") ? "webgpu" : "wasm";
  defaultDevice(device);
  return { engine, jax: await trainWithJax(), device };
};
