import type { Tensor } from "#onnxruntime";
import { DeviceBuffer, type EngineData } from "../elements.ts";
import { usableThreads } from "../usableThreads.ts";
import { onnxPackage } from "./onnxPackage.ts";
import type { EngineOptions, RunnableModel, Runtime, RuntimeSession } from "./runtime.ts";

/**
 * ONNX Runtime through its JavaScript packages: onnxruntime-web in a browser, onnxruntime-node in Node. The latter copies every
 * output into a new buffer, whether one was given or not, so none are given.
 */
export const bindingRuntime: Runtime = {
  async load({ model, inputs }: RunnableModel, options: EngineOptions): Promise<RuntimeSession> {
    const ort = await onnxPackage();
    const session = await ort.InferenceSession.create(model.bytes, {
      graphOptimizationLevel: "basic",
      executionMode: "sequential",
      // With copied outputs the arena and its memory pattern take up to twice the memory of what is alive, and no less time.
      enableCpuMemArena: false,
      enableMemPattern: false,
      ...(options.threads === undefined ? {} : { intraOpNumThreads: usableThreads(options.threads) }),
      ...(options.executionProviders === undefined
        ? {}
        : { executionProviders: [...options.executionProviders] }),
      ...(options.profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: options.profile }),
    });
    const { inputNames, outputNames } = model;
    return {
      fillsBuffers: false,
      overwrites: false,
      run: async (data) => {
        const feeds: Record<string, Tensor> = {};
        for (const [i, name] of inputNames.entries()) {
          const { dtype, shape } = inputs[i]!;
          const given = data[i]!;
          const host = given instanceof DeviceBuffer ? await given.load() : given;
          feeds[name] = new ort.Tensor(dtype as "float32", host as Float32Array<ArrayBuffer>, shape);
        }
        const results = await session.run(feeds, [...outputNames]);
        return outputNames.map((name) => (results[name] as Tensor).data as EngineData);
      },
      endProfile: () => session.endProfiling(),
      release: () => session.release(),
    };
  },
};
