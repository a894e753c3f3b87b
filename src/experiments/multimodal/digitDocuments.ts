import { Choices } from "./choices.ts";
import {
  type DocumentSet,
  DocumentWriter,
  digitPatches,
  digitWords,
  patchDim,
  type QuestionDocument,
  setNumber,
  type Task,
  Vocabulary,
} from "./task.ts";

const imageWords = ["first", "second", "third", "fourth"] as const;
const sides = [1, 2, 3, 4];
const rowWord = (row: number) => `row-${row + 1}`;
const columnWord = (column: number) => `column-${column + 1}`;

const captionKinds = ["read", "list", "map"] as const;
/** Questions by kind; an answer may have several words. */
const kinds = ["what", "where", "right", "below", "which", "many", ...captionKinds] as const;

const vocabulary = new Vocabulary([
  ...digitWords,
  ...imageWords,
  ...sides.map((_, i) => rowWord(i)),
  ...sides.map((_, i) => columnWord(i)),
  ...kinds,
]);

/** Rows and columns of training: sides of two to four, up to nine cells. */
const trainGrids: readonly (readonly [number, number])[] = [
  [2, 2],
  [2, 3],
  [3, 2],
  [2, 4],
  [4, 2],
  [3, 3],
];
/** More cells; their rows and columns have names that training uses. */
const largerGrids: readonly (readonly [number, number])[] = [
  [3, 4],
  [4, 3],
  [4, 4],
];

/** A fifth of all digits in places. */
export const isHeldOutPlace = (digit: number, row: number, column: number) =>
  (digit + 2 * row + 3 * column) % 5 === 0;
/** About a fifth of all pairs of digits beside or above each other. */
export const isHeldOutPair = (first: number, second: number) => (first + 3 * second) % 5 === 0;

/** A grid of different digits and empty cells. */
interface DigitImage {
  readonly height: number;
  readonly width: number;
  /** Row-major; null is empty. */
  readonly cells: readonly (number | null)[];
}

/** Places of digits, most of them beside another, in reading order. */
function drawPlaces(choices: Choices, height: number, width: number, count: number): number[] {
  const places = new Set([choices.below(height * width)]);
  while (places.size < count) {
    const all = [...Array(height * width).keys()].filter((place) => !places.has(place));
    const beside = all.filter(
      (place) =>
        (place % width > 0 && places.has(place - 1)) ||
        (place % width < width - 1 && places.has(place + 1)) ||
        places.has(place - width) ||
        places.has(place + width),
    );
    places.add(choices.pick(choices.below(3) > 0 ? beside : all));
  }
  return [...places].sort((a, b) => a - b);
}

/** Images whose digits are all different; null if the last digits don't fit the compositions of the set. */
function drawImages(choices: Choices, set: DocumentSet): DigitImage[] | null {
  const count = choices.between(2, 4);
  const left = choices.shuffled(digitWords.map((_, digit) => digit));
  const images: DigitImage[] = [];
  for (let i = 0; i < count; i++) {
    const [height, width] = choices.pick(set === "larger" ? largerGrids : trainGrids);
    const cells: (number | null)[] = Array(height * width).fill(null);
    const most = Math.min(5, height * width, left.length - 2 * (count - 1 - i));
    for (const place of drawPlaces(choices, height, width, choices.between(2, most))) {
      const [row, column] = [Math.floor(place / width), place % width];
      const before = [column === 0 ? null : cells[place - 1]!, row === 0 ? null : cells[place - width]!];
      const index = left.findIndex(
        (digit) =>
          set === "held-out" ||
          (!isHeldOutPlace(digit, row, column) &&
            before.every((other) => other === null || !isHeldOutPair(other, digit))),
      );
      if (index < 0) return null;
      [cells[place]] = left.splice(index, 1) as [number];
    }
    images.push({ height, width, cells });
  }
  return images;
}

/** A question that could be asked, and the cells that it tells of. */
interface Candidate {
  readonly kind: string;
  readonly words: readonly string[];
  readonly answer: readonly string[];
  /** `image:cell` */
  readonly cells: readonly string[];
}

function candidates({ height, width, cells }: DigitImage, index: number, set: DocumentSet): Candidate[] {
  const found: Candidate[] = [];
  const heldOut = set === "held-out";
  const image = imageWords[index]!;
  const name = (place: number) => `${index}:${place}`;
  const digits = cells.flatMap((digit, place) => (digit === null ? [] : [{ digit, place }]));
  for (const { digit, place } of digits) {
    const word = digitWords[digit]!;
    const [row, column] = [Math.floor(place / width), place % width];
    const own = [name(place)];
    if (isHeldOutPlace(digit, row, column) === heldOut) {
      const where = [rowWord(row), columnWord(column)];
      found.push({ kind: "what", words: ["what", image, ...where], answer: [word], cells: own });
      found.push({ kind: "where", words: ["where", word], answer: where, cells: own });
    }
    for (const [kind, isInside, step] of [
      ["right", column + 1 < width, 1],
      ["below", row + 1 < height, width],
    ] as const) {
      const other = isInside ? cells[place + step]! : null;
      if (other === null || isHeldOutPair(digit, other) !== heldOut) continue;
      const both = [...own, name(place + step)];
      found.push({ kind, words: [kind, word], answer: [digitWords[other]!], cells: both });
    }
    if (!heldOut) found.push({ kind: "which", words: ["which", word], answer: [image], cells: own });
  }
  if (!heldOut) {
    found.push({ kind: "many", words: ["many", image], answer: [digitWords[digits.length]!], cells: [] });
  }
  return found;
}

/** All digits of an image in reading order: alone, before their places, or after them. */
function caption(kind: (typeof captionKinds)[number], { width, cells }: DigitImage): string[] {
  return cells.flatMap((digit, place) => {
    if (digit === null) return [];
    const words = [rowWord(Math.floor(place / width)), columnWord(place % width)];
    if (kind === "read") return [digitWords[digit]!];
    return kind === "list" ? [digitWords[digit]!, ...words] : [...words, digitWords[digit]!];
  });
}

/**
 * A document of two to four images with digits in some cells of a grid, a patch per cell, and questions until it is full. Before an image
 * stand its number and its size. No two questions of a document tell of the same cell, so that no answer can be read off another.
 */
function digitDocument(set: DocumentSet, index: number, seed: number): QuestionDocument {
  const choices = new Choices(seed, setNumber(set), index);
  const patches = digitPatches(set);
  const writer = new DocumentWriter(vocabulary);
  let drawn: DigitImage[] | null = null;
  while (drawn === null) drawn = drawImages(choices, set);
  const images = drawn;
  const used = new Set<string>();
  let open: Candidate[] = [];
  const limit = digitTask.length(set);
  /** Asks up to so many questions. Kinds take part alike, however many questions of each there are. */
  const ask = (most: number) => {
    for (let asked = 0; asked < most; asked++) {
      open = open.filter(
        ({ words, answer, cells }) =>
          writer.length + words.length + answer.length <= limit && cells.every((cell) => !used.has(cell)),
      );
      if (open.length === 0) return;
      const kind = choices.pick([...new Set(open.map((candidate) => candidate.kind))]);
      const chosen = choices.pick(open.filter((candidate) => candidate.kind === kind));
      writer.question(kind, chosen.words, chosen.answer);
      for (const cell of chosen.cells) used.add(cell);
      open = open.filter((candidate) => candidate !== chosen);
    }
  };
  images.forEach((image, i) => {
    const { height, width, cells } = image;
    writer.text([imageWords[i]!, rowWord(height - 1), columnWord(width - 1)]);
    const values = new Float32Array(cells.length * patchDim);
    cells.forEach((digit, place) => {
      if (digit !== null)
        values.set(
          patches.of(digit, (size) => choices.below(size)),
          place * patchDim,
        );
    });
    writer.grid(0, height, width, values);
    if (set !== "held-out" && choices.below(2) === 0) {
      const kind = choices.pick(captionKinds);
      writer.question(kind, [kind], caption(kind, image));
      return;
    }
    open.push(...candidates(image, i, set));
    ask(choices.below(3));
  });
  ask(Number.POSITIVE_INFINITY);
  return writer.end();
}

/**
 * MNIST digits in the cells of images: which digit is in a place, where a digit is, which is to its right or below it, which image has it, how
 * many there are, and all of them in reading order.
 */
export const digitTask: Task = {
  vocabulary,
  kinds,
  heldOutKinds: ["what", "where", "right", "below"],
  length: (set) => (set === "larger" ? 120 : 96),
  document: digitDocument,
};
