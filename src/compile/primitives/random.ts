import { DType } from "@jax-js/jax";
import type { Tensor } from "../graph.ts";
import { broadcastShapes } from "../shapes.ts";
import { sizeOf } from "../view.ts";
import type { PrimitiveRule, PrimitiveRules } from "./rule.ts";

/** Rotation distances of Threefry-2x32 with 20 rounds (Salmon et al., 2011, table 2). */
const rotations = [
  [13, 15, 26, 6],
  [17, 29, 16, 24],
] as const;
const keyParity = 0x1bd11bda;

/**
 * Threefry-2x32 in counter mode, bit for bit as in jax-js. ONNX Runtime shifts and combines uint32 but adds only int32,
 * whose sums wrap to the same bits.
 */
const randomBits: PrimitiveRule = {
  support: "all",
  operators: "Add, BitShift, BitwiseOr, BitwiseXor, Cast",
  lower(lowering, [key0, key1], equation) {
    const { graph } = lowering;
    const shape = equation.params.shape as number[];
    const mode = equation.params.mode as "xor" | 0 | 1;
    const keyRank = key0!.view.shape.length;
    const keyShape = [...key0!.view.shape, ...shape.slice(keyRank).map(() => 1)];
    const count = sizeOf(shape.slice(keyRank));
    const counterShape = [...key0!.view.shape.map(() => 1), ...shape.slice(keyRank)];
    const counters = graph.constant(
      "uint32",
      counterShape,
      Uint32Array.from({ length: count }, (_, i) => i),
    );

    // Keys and counters broadcast against each other in the first sum; after it all arrays have the full shape.
    const resultShape = (a: Tensor, b: Tensor) => broadcastShapes(a.shape, b.shape);
    const add = (a: Tensor, b: Tensor) =>
      graph.cast(
        graph.op("Add", [graph.cast(a, "int32"), graph.cast(b, "int32")], "int32", resultShape(a, b)),
        "uint32",
      );
    const xor = (a: Tensor, b: Tensor) => graph.op("BitwiseXor", [a, b], "uint32", resultShape(a, b));
    const number = (value: number) => graph.constant("uint32", [], Uint32Array.of(value));
    const rotate = (a: Tensor, by: number) => {
      const left = graph.op("BitShift", [a, number(by)], "uint32", a.shape, { direction: "LEFT" });
      const right = graph.op("BitShift", [a, number(32 - by)], "uint32", a.shape, { direction: "RIGHT" });
      return graph.op("BitwiseOr", [left, right], "uint32", a.shape);
    };

    const k0 = graph.reshape(lowering.dense(key0!), keyShape);
    const k1 = graph.reshape(lowering.dense(key1!), keyShape);
    const keys = [k0, k1, xor(xor(k0, k1), number(keyParity))];
    let x0 = k0;
    let x1 = add(counters, k1);
    for (let group = 0; group < 5; group++) {
      for (const rotation of rotations[group % 2]!) {
        x0 = add(x0, x1);
        x1 = xor(rotate(x1, rotation), x0);
      }
      x0 = add(x0, keys[(group + 1) % 3]!);
      x1 = add(add(x1, keys[(group + 2) % 3]!), number(group + 1));
    }
    const bits = mode === "xor" ? xor(x0, x1) : mode === 0 ? x0 : x1;
    return [lowering.contiguous(graph.reshape(bits, shape), DType.Uint32)];
  },
};

export const randomRules: PrimitiveRules = { random_bits: randomBits };
