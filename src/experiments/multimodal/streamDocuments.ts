import { type LabelledImages, mnistDigits } from "../../data/index.ts";
import type { MixedDocument } from "../../nn/index.ts";
import { type Layout, layoutTokens } from "../../position/index.ts";
import { Choices } from "./choices.ts";
import { digitWords, Vocabulary } from "./task.ts";

/** Which documents: `"train"`; `"seen"`, as in training, of other digits; `"longer"`, more parts, larger grids, more frames. */
export type StreamSet = "train" | "seen" | "longer";

/** What a predicted token is: a word that tells what was seen, or a code of an image or of a video. */
export type StreamKind = "words" | "images" | "videos";
export const streamKinds = ["words", "images", "videos"] as const satisfies readonly StreamKind[];

/** A run of words, some of them answers; or a grid of codes. */
export type StreamPart =
  | { readonly words: readonly { readonly word: string; readonly isAnswer: boolean }[] }
  | {
      /** Null for an image. */
      readonly frames: number | null;
      readonly height: number;
      readonly width: number;
      /** Below {@link numPictureCodes}, row by row. */
      readonly codes: readonly number[];
    };

/** A code is a square of 2 × 2 pixels, each black or white. */
export const numPictureCodes = 16;
/** Codes of what a layout puts around rows and images of its own. */
const lineBreak = numPictureCodes;
const marker = numPictureCodes + 1;
export const numStreamCodes = numPictureCodes + 2;

const sizes = [3, 4];
const sizeWord = (size: number) => `size-${size}`;

export const streamVocabulary = new Vocabulary([
  ...digitWords,
  ...sizes.map(sizeWord),
  "image",
  "draw",
  "video",
  "play",
  "is",
]);

interface Limits {
  /** The most of a document, markers and line breaks of layouts not counted. */
  readonly tokens: number;
  /** Rows and columns. */
  readonly grids: readonly (readonly [number, number])[];
  readonly frames: readonly number[];
}

const trained: Limits = {
  tokens: 96,
  grids: [
    [3, 3],
    [3, 4],
    [4, 3],
  ],
  frames: [3, 4],
};

const limits: Readonly<Record<StreamSet, Limits>> = {
  train: trained,
  seen: trained,
  // Larger, with sides whose words training uses.
  longer: {
    tokens: 160,
    grids: [[4, 4]],
    frames: [5, 6],
  },
};

/** Places of a row: markers and line breaks make `h(w + 1) + 2` tokens of `h·w`, at most half as many again. */
export function streamLength(set: StreamSet, layout: Layout): number {
  const { tokens } = limits[set];
  return layout.tokensOf === undefined ? tokens : (3 * tokens) / 2;
}

/** Codes of a digit as a grid: its middle 20 × 20 pixels, averaged to two pixels a code and side, white above two fifths. */
export function pictureCodes(digit: Uint8Array, height: number, width: number): number[] {
  const edge = (at: number, count: number) => 4 + Math.floor((20 * at) / count);
  const isWhite = (row: number, column: number) => {
    const [top, bottom] = [edge(row, 2 * height), edge(row + 1, 2 * height)];
    const [left, right] = [edge(column, 2 * width), edge(column + 1, 2 * width)];
    let sum = 0;
    for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) sum += digit[28 * y + x]!;
    return sum > 0.4 * 255 * (bottom - top) * (right - left);
  };
  return Array.from({ length: height * width }, (_, at) => {
    const [row, column] = [2 * Math.floor(at / width), 2 * (at % width)];
    return [0, 1, 2, 3].reduce((code, i) => 2 * code + Number(isWhite(row + (i >> 1), column + (i & 1))), 0);
  });
}

let loaded: Readonly<Record<"train" | "validation", LabelledImages>> | null = null;

/** A digit of the set that shows `label`. */
function drawDigit(choices: Choices, set: StreamSet, label: number): Uint8Array {
  loaded ??= { train: mnistDigits("train"), validation: mnistDigits("validation") };
  const { count, pixels, labels } = loaded[set === "train" ? "train" : "validation"];
  for (;;) {
    const at = choices.below(count);
    if (labels[at] === label) return pixels.subarray(784 * at, 784 * (at + 1));
  }
}

/**
 * A stream of text, images and videos of digits as codes, until it is full. Four kinds of parts take turns by chance: `image` and `video`, a grid and
 * `is D`, whose word tells what the codes before it show, and `draw D` and `play D` with a grid, whose codes show what the word before them says. A
 * video shows one picture in all of its frames. Sides are told before a grid, the number of frames isn't.
 */
export function streamDocument(set: StreamSet, index: number, seed: number): StreamPart[] {
  const choices = new Choices(seed, ["train", "seen", "longer"].indexOf(set), index);
  const { tokens, grids, frames: counts } = limits[set];
  const parts: StreamPart[] = [];
  const told = (...words: string[]) => words.map((word) => ({ word, isAnswer: false }));
  let left = tokens;
  // Parts that don't fit any more are left out.
  for (let tried = 0; tried < 10; tried++) {
    const kind = choices.pick(["image", "draw", "video", "play"]);
    const name = choices.pick(digitWords);
    const [height, width] = choices.pick(grids);
    const frames = kind === "video" || kind === "play" ? choices.pick(counts) : null;
    const grid = (frames ?? 1) * height * width;
    const isTold = kind === "draw" || kind === "play";
    const size = [sizeWord(height), sizeWord(width)];
    const before = told(kind, ...(isTold ? [name] : []), ...size);
    const after = isTold ? [] : [...told("is"), { word: name, isAnswer: true }];
    const length = before.length + grid + after.length;
    if (length > left) continue;
    const picture = pictureCodes(drawDigit(choices, set, digitWords.indexOf(name)), height, width);
    const codes = Array.from({ length: frames ?? 1 }, () => picture).flat();
    parts.push({ words: before }, { frames, height, width, codes });
    if (after.length > 0) parts.push({ words: after });
    left -= length;
  }
  return parts;
}

/** Predicted tokens of a document by kind. */
export function countPredicted(parts: readonly StreamPart[]): Record<StreamKind, number> {
  const counts = { words: 0, images: 0, videos: 0 };
  for (const part of parts) {
    if ("words" in part) counts.words += part.words.filter(({ isAnswer }) => isAnswer).length;
    else counts[part.frames === null ? "images" : "videos"] += part.codes.length;
  }
  return counts;
}

/**
 * A document as the model gets it. What a layout puts into images itself (markers, line breaks) has codes of its own, which nothing predicts; a layout
 * that has no rule for videos gets their frames as images.
 *
 * @param counted - kinds of tokens that count in the loss
 */
export function mixedStream(
  parts: readonly StreamPart[],
  layout: Layout,
  counted: readonly StreamKind[],
): MixedDocument {
  const weight = (kind: StreamKind) => Number(counted.includes(kind));
  return parts.flatMap((part): MixedDocument => {
    if ("words" in part) {
      return [
        {
          tokens: part.words.map(({ word }) => streamVocabulary.id(word)),
          weights: part.words.map(({ isAnswer }) => (isAnswer ? weight("words") : 0)),
        },
      ];
    }
    const { frames, height, width, codes } = part;
    const own = weight(frames === null ? "images" : "videos");
    if (layout.patchesOf === undefined) {
      const segment =
        frames === null
          ? ({ kind: "image", height, width } as const)
          : ({ kind: "video", frames, height, width } as const);
      return [{ segment, codes, weights: codes.map(() => own) }];
    }
    const segment = { kind: "image", height, width } as const;
    const places = layout.patchesOf(segment);
    const count = layoutTokens(layout, segment);
    return Array.from({ length: frames ?? 1 }, (_, frame) => {
      const all = Array<number>(count).fill(lineBreak);
      all[0] = all[count - 1] = marker;
      const weights = Array<number>(count).fill(0);
      places.forEach((place, at) => {
        all[place] = codes[frame * height * width + at]!;
        weights[place] = own;
      });
      return { segment, codes: all, weights };
    });
  });
}
