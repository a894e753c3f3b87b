import { RotorError } from "../errors.ts";

/** A primitive, or this use of it, can't be expressed in ONNX (or ONNX Runtime has no kernel for its element type). */
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

/** ONNX Runtime refused or failed to run a graph. */
export class EngineError extends RotorError {
  constructor(message: string, options?: ErrorOptions) {
    super("ROTOR_ENGINE", message, options);
  }
}
