import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeCodeFile, encodeCodeFile, type ImageCodes } from "../../src/data/index.ts";
import { accepted, border, refused } from "../border.ts";

interface Input {
  readonly grid: { readonly height: number; readonly width: number };
  readonly codebookSizes: readonly [number, ...number[]];
  readonly names: readonly string[];
  /** Codes are taken from it, modulo the sizes. */
  readonly numbers: readonly number[];
  readonly damage:
    | { readonly kind: "none" | "cut" | "more"; readonly at: number }
    | { readonly kind: "bit"; readonly at: number; readonly bit: number };
}

const side = fc.integer({ min: 1, max: 4 });

export default border<Input>({
  oracle: "the codes that were packed, and that a checksum sees every changed bit",
  inputs: fc.record<Input>(
    {
      grid: fc.record({ height: side, width: side }, { noNullPrototype: true }),
      codebookSizes: fc
        .array(fc.constantFrom(1, 2, 3, 256, 257, 1000, 65536, 2 ** 31), { minLength: 1, maxLength: 3 })
        .map(([first, ...rest]): [number, ...number[]] => [first!, ...rest]),
      names: fc.array(fc.string({ unit: "grapheme", maxLength: 5 }), { maxLength: 3 }),
      numbers: fc.array(fc.nat(), { minLength: 1, maxLength: 20 }),
      damage: fc.oneof(
        fc.record({ kind: fc.constantFrom("none" as const, "cut" as const, "more" as const), at: fc.nat() }),
        fc.record({ kind: fc.constant("bit" as const), at: fc.nat(), bit: fc.nat({ max: 7 }) }),
      ),
    },
    { noNullPrototype: true },
  ),
  check: ({ grid, codebookSizes, names, numbers, damage }) => {
    const count = names.length * grid.height * grid.width * codebookSizes.length;
    const codes = Int32Array.from(
      { length: count },
      (_, i) => numbers[i % numbers.length]! % codebookSizes[i % codebookSizes.length]!,
    );
    const images: ImageCodes = {
      identity: "0123456789abcdef".repeat(4),
      run: "run",
      step: 3,
      image: { height: 8, width: 8, channels: 1 },
      grid,
      codebookSizes: [...codebookSizes],
      names: [...names],
      codes,
    };
    const bytes = accepted(() => encodeCodeFile(images));
    if (damage.kind === "none") {
      assert.deepEqual(
        accepted(() => decodeCodeFile(bytes, "a")),
        images,
      );
      return;
    }
    const place = damage.at % bytes.length;
    const changed =
      damage.kind === "cut"
        ? bytes.subarray(0, place)
        : damage.kind === "more"
          ? Uint8Array.from([...bytes, 0])
          : bytes.map((byte, i) => (i === place ? byte ^ (1 << ("bit" in damage ? damage.bit : 0)) : byte));
    refused(() => decodeCodeFile(changed, "a"), `${damage.kind} at ${place}`);
  },
});
