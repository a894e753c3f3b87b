/** Where ONNX Runtime 1.30's WebGPU kernels differ from the CPU's: what of it, and in which cases of the primitive it is seen. */
export interface Deviation {
  readonly words: string;
  readonly cases: readonly string[];
}

const subnormals = "subnormal numbers are 0";

/** By primitive; what isn't listed agrees. Seen on SwiftShader, a Vulkan device in software. */
export const webgpuDeviations: Readonly<Record<string, Deviation>> = {
  add: { words: subnormals, cases: ["float32, values"] },
  mul: { words: subnormals, cases: ["float32, values"] },
  min: { words: subnormals, cases: ["float32, values"] },
  max: { words: subnormals, cases: ["float32, values"] },
  neg: { words: subnormals, cases: ["float32, shapes", "float32, values", "float32, views"] },
  reciprocal: { words: subnormals, cases: ["float32, shapes", "float32, values", "float32, views"] },
  ceil: { words: subnormals, cases: ["float32, shapes", "float32, values", "float32, views"] },
  sqrt: { words: subnormals, cases: ["float32, shapes", "float32, values", "float32, views"] },
  compare: { words: subnormals, cases: ["float32, values"] },
  where: { words: `${subnormals} as conditions`, cases: ["float32, special values and literals"] },
  cast: { words: `${subnormals} before they become booleans`, cases: ["float32 to bool"] },
  sin: {
    words: "errs by up to 10⁻⁴ within ±10, and by more beyond",
    cases: ["float32, shapes", "float32, values", "float32, views"],
  },
  cos: {
    words: "errs by up to 10⁻⁴ within ±10, and by more beyond",
    cases: ["float32, shapes", "float32, values", "float32, views"],
  },
  exp: { words: "∞ for NaN", cases: ["float32, shapes", "float32, values", "float32, views"] },
};
