import { RotorError } from "../errors.ts";

/**
 * A primitive, or this use of it, can't be expressed in ONNX (or ONNX Runtime has no kernel for its element type).
 *
 * @example
 * ```ts
 * const factors = compile((a: np.Array) => lax.linalg.lu(a));
 * await assert.rejects(factors(np.eye(2)), UnsupportedPrimitiveError);
 * ```
 */
export class UnsupportedPrimitiveError extends RotorError {
  readonly primitive: string;

  constructor(primitive: string, operands: string, advice: string, options?: ErrorOptions) {
    super(
      "ROTOR_UNSUPPORTED_PRIMITIVE",
      `compile: primitive "${primitive}" on (${operands}) is not supported: ${advice}`,
      options,
    );
    this.primitive = primitive;
  }
}

/**
 * ONNX Runtime refused or failed to run a graph.
 *
 * @example
 * ```ts
 * new EngineError("the engine stopped") instanceof Error; // => true
 * ```
 */
export class EngineError extends RotorError {
  constructor(message: string, options?: ErrorOptions, code = "ROTOR_ENGINE") {
    super(code, message, options);
  }
}

/**
 * The device is gone: its driver was reset, the card removed, or the browser took it away. What was in its memory is lost, and nothing runs on
 * it again in this process or page; a checkpoint is what a training goes on from.
 *
 * @example
 * ```ts
 * new DeviceLostError("the device is gone") instanceof EngineError; // => true
 * ```
 */
export class DeviceLostError extends EngineError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options, "ROTOR_DEVICE_LOST");
  }
}
