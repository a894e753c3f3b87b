import { DeviceBuffer, hostData } from "../elements.ts";
import { newBuffer } from "./newBuffer.ts";
import { type OnnxLibrary, onnxLibrary, tick } from "./onnxLibrary.ts";
import type { EngineOptions, RunnableModel, Runtime, RuntimeSession } from "./runtime.ts";

function runtimeOf(library: OnnxLibrary): Runtime {
  return {
    async load({ model, inputs, outputs }: RunnableModel, options: EngineOptions): Promise<RuntimeSession> {
      await tick();
      let handle: bigint | null = library.createSession(model.bytes, options);
      const session = (): bigint => {
        if (handle === null) throw new Error("the session has been released");
        return handle;
      };
      const inputNames = library.names(model.inputNames);
      const outputNames = library.names(model.outputNames);
      return {
        fillsBuffers: true,
        overwrites: true,
        async run(given, free) {
          await tick();
          const filled = outputs.map((port, i) => {
            const buffer = free[i] ?? null;
            return buffer === null || buffer instanceof DeviceBuffer ? newBuffer(port) : buffer;
          });
          library.run(
            session(),
            inputNames.addresses,
            BigUint64Array.from(given, (data, i) => library.tensor(hostData(data), inputs[i]!)),
            outputNames.addresses,
            BigUint64Array.from(filled, (data, i) => library.tensor(data, outputs[i]!)),
          );
          return filled;
        },
        endProfile: () => library.endProfile(session()),
        async release() {
          library.releaseSession(session());
          handle = null;
        },
      };
    },
  };
}

let made: Runtime | null | undefined;

/**
 * ONNX Runtime on the CPU through its C interface; null where that can't be called. It runs models in the caller's buffers: nothing is
 * copied in or out.
 */
export function libraryRuntime(): Runtime | null {
  const library = onnxLibrary();
  made ??= library === null ? null : runtimeOf(library);
  return made;
}
