import type { PlacedDevice } from "../runtime/runtime.ts";
import type { FusionLimits } from "./fuseAlike.ts";
import type { Substitute } from "./substitute.ts";
import { webgpuSubstitutes } from "./webgpuSubstitutes.ts";

/**
 * What a device wants of the lowering, as ONNX Runtime 1.30 has it. A kernel that a device lacks would run on the CPU, with copies there and
 * back; one that is wrong there is avoided.
 */
export interface DeviceTraits {
  /** Kernels of float64. */
  readonly float64: boolean;
  /** Kernels of matrix products of float16. */
  readonly float16Products: boolean;
  /** Batched products that read their operands transposed, and batches that lie inside (FusedMatMul). Else operands are copied in order. */
  readonly transposedBatches: boolean;
  /**
   * Convolutions are right. WebGPU's are not: with 6 or 9 channels in and a multiple of 4 out all elements are wrong, and of those in groups
   * some. So all are products over copied windows.
   */
  readonly convolutions: boolean;
  /** int64 has 64 bits: a uint32 fits in it. WebGPU's has 32. */
  readonly wideIntegers: boolean;
  /** Float to integer through float64 and int64, which round nothing. */
  readonly wideCasts: boolean;
  /**
   * Within what limits arrays are put together with which the same is done; null where starting a kernel costs nothing beside its elements.
   *
   * A step of AdamW at d 256 and 4 layers launches 1,202 kernels without it and 543 with it; of Muon 743 with it (`npm run bench -- --part gpu`).
   * Putting an array together and taking it apart is two passes more over some twenty: what it saves, a launch of about 5 µs each, is worth that
   * up to about a million elements at 500 GB/s.
   */
  readonly fusion: FusionLimits | null;
  /**
   * What a scatter adds to one place is added in one order. WebGPU's additions are atomic, in any order, so that the last bits of a table's
   * gradient differ from run to run: rows are added by products with ones and zeros there, of so many of these at a time, and so many times.
   */
  readonly orderedAdditions: true | { readonly mostPlaces: number; readonly mostBlocks: number };
  /** Kernels of a run can be recorded and done again: then each result must come from one ({@link returnedByKernels}). */
  readonly records: boolean;
  /** What stands for operators that the device lacks or gets wrong. */
  readonly substitutes: Readonly<Record<string, Substitute>>;
  /** Operators whose kernels are wrong and have no substitute: they run on the CPU. */
  readonly leftToHost: ReadonlySet<string>;
}

export const deviceTraits: Readonly<Record<PlacedDevice, DeviceTraits>> = {
  cpu: {
    float64: true,
    float16Products: false,
    transposedBatches: true,
    convolutions: true,
    wideIntegers: true,
    wideCasts: true,
    fusion: null,
    orderedAdditions: true,
    records: false,
    substitutes: {},
    leftToHost: new Set(),
  },
  gpu: {
    float64: false,
    float16Products: true,
    transposedBatches: false,
    convolutions: false,
    wideIntegers: false,
    wideCasts: false,
    // WebGPU promises eight buffers to a kernel, one of them the other way.
    fusion: { maxElements: 2 ** 20, maxTotal: 2 ** 24, maxOperands: 7 },
    // 256 MiB: what the logits of 1,024 tokens over 64k words take. A product costs what the logits' own does; 32 are 16k tokens over 128k words.
    orderedAdditions: { mostPlaces: 2 ** 26, mostBlocks: 32 },
    records: true,
    substitutes: webgpuSubstitutes,
    // TopK gives the place −1 for rows with −∞ whose length is no power of two.
    leftToHost: new Set(["TopK"]),
  },
};
