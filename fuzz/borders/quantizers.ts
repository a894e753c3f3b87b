import fc from "fast-check";
import {
  finiteScalarQuantizer,
  lookupFreeQuantizer,
  productQuantizer,
  type Quantizer,
  residualQuantizer,
  simVq,
  vectorQuantizer,
} from "../../src/quantize/index.ts";
import { anyLevels, anyVectors } from "../../src/quantize/testing/arbitraries.ts";
import { checkCodebook } from "../../src/quantize/testing/checkCodebook.ts";
import { border } from "../border.ts";

/** What a quantizer is made of, of those that code vectors as any table does, or as any levels do. */
interface Recipe {
  readonly kind: "fsq" | "lfq" | "vq" | "moving averages" | "simvq" | "residual" | "product";
  readonly levels: readonly number[];
  readonly eps: number | null;
  readonly numCodes: number;
  readonly dim: number;
  /** Of the codes of lookup-free quantization. */
  readonly scale: number;
}

interface Input {
  readonly recipe: Recipe;
  readonly elements: Float32Array<ArrayBuffer>;
  /** Of the codes. */
  readonly scale: number;
}

function make({ kind, levels, eps, numCodes, dim, scale }: Recipe): Quantizer {
  const fsq = () => finiteScalarQuantizer({ levels, ...(eps === null ? {} : { eps }) });
  const lfq = (bits: number) => lookupFreeQuantizer({ dim: bits, scale, entropyWeight: 0 });
  const vq = (size: number) => vectorQuantizer({ numCodes, dim: size });
  switch (kind) {
    case "fsq":
      return fsq();
    case "lfq":
      return lfq(dim);
    case "vq":
      return vq(dim);
    case "moving averages":
      return vectorQuantizer({ numCodes, dim, learning: "ema" });
    case "simvq":
      return simVq({ numCodes, dim });
    case "residual":
      return residualQuantizer([vq(levels.length), fsq(), lfq(levels.length)]);
    case "product":
      return productQuantizer([vq(dim), fsq()]);
  }
}

export default border<Input>({
  oracle:
    "the sizes of the codebooks, and that apply and decode(encode(z)) are two ways to one vector, bit for bit",
  inputs: fc.record<Input>(
    {
      recipe: fc.record<Recipe>(
        {
          kind: fc.constantFrom("fsq", "lfq", "vq", "moving averages", "simvq", "residual", "product"),
          levels: anyLevels,
          // Too wide for some levels, which refuse it.
          eps: fc.oneof(fc.constant(null), fc.double({ min: 1e-6, max: 0.6, noNaN: true })),
          numCodes: fc.integer({ min: 1, max: 9 }),
          dim: fc.integer({ min: 1, max: 5 }),
          scale: fc.constantFrom(1e-20, 0.3, 1, 1e20),
        },
        { noNullPrototype: true },
      ),
      elements: anyVectors(6),
      scale: fc.constantFrom(1e-30, 1, 1e30),
    },
    { noNullPrototype: true },
  ),
  shortRuns: 30,
  check: ({ recipe, elements, scale }) => checkCodebook(make(recipe), elements, scale),
});
