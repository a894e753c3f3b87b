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

const directions = [
  { word: "left", row: 0, column: -1 },
  { word: "right", row: 0, column: 1 },
  { word: "up", row: -1, column: 0 },
  { word: "down", row: 1, column: 0 },
] as const;
const speeds = ["slow", "fast"] as const;
const sizeWords = ["frames-4", "frames-5", "frames-6", "height-3", "height-4", "width-3", "width-4"];
/** Frames in which digits appear. */
const namedFrames = 4;
const frameWord = (frame: number) => `frame-${frame + 1}`;

const kinds = ["direction", "speed", "when", "new", "list", "path"] as const;

const vocabulary = new Vocabulary([
  ...digitWords,
  ...directions.map(({ word }) => word),
  ...speeds,
  ...Array.from({ length: namedFrames }, (_, i) => frameWord(i)),
  ...[1, 2, 3, 4].flatMap((side) => [`row-${side}`, `column-${side}`]),
  ...sizeWords,
  ...kinds,
]);

type VideoSize = readonly [frames: number, height: number, width: number];
const trainSizes: readonly VideoSize[] = [
  [4, 3, 3],
  [5, 3, 3],
  [4, 3, 4],
  [4, 4, 3],
];
const largerSizes: readonly VideoSize[] = [
  [6, 3, 3],
  [4, 4, 4],
  [5, 3, 4],
  [5, 4, 3],
];

/** A fifth of all digits in directions, and of all digits in frames where they appear. */
export const isHeldOutMotion = (digit: number, direction: number) => (digit + 2 * direction) % 5 === 0;
export const isHeldOutFrame = (digit: number, frame: number) => (digit + 3 * frame + 1) % 5 === 0;

/** A digit that moves along a line: one cell per frame if it is fast, one in two frames if it is slow. */
interface Mover {
  readonly digit: number;
  /** Index in {@link directions}. */
  readonly direction: number;
  readonly isFast: boolean;
  /** The frame in which it appears. */
  readonly appears: number;
  /** Its cell in each frame from then on, until it disappears. */
  readonly cells: readonly number[];
}

interface DigitVideo {
  readonly size: VideoSize;
  /** In the order in which they appear. */
  readonly movers: readonly Mover[];
}

/** A path of a digit that stays in the grid; null if the choices don't fit. */
function drawMover(choices: Choices, digit: number, [frames, height, width]: VideoSize): Mover | null {
  const direction = choices.below(directions.length);
  const isFast = choices.below(2) === 1;
  // A slow digit has moved in its third frame.
  const visible = isFast ? choices.between(2, 3) : choices.between(3, 4);
  const appears = choices.below(Math.min(namedFrames, frames));
  if (appears + visible > frames) return null;
  const { row, column } = directions[direction]!;
  const start = [choices.below(height), choices.below(width)] as const;
  const cells: number[] = [];
  for (let age = 0; age < visible; age++) {
    const steps = isFast ? age : age >> 1;
    const [y, x] = [start[0] + row * steps, start[1] + column * steps];
    if (y < 0 || y >= height || x < 0 || x >= width) return null;
    cells.push(y * width + x);
  }
  return { digit, direction, isFast, appears, cells };
}

const isHeldOut = ({ digit, direction, appears }: Mover) =>
  isHeldOutMotion(digit, direction) || isHeldOutFrame(digit, appears);

/** A video of two or three different digits. */
function drawVideo(choices: Choices, size: VideoSize, set: DocumentSet): DigitVideo {
  const left = digitWords.map((_, digit) => digit);
  const movers: Mover[] = [];
  const taken = new Set<string>();
  const count = choices.between(2, 3);
  while (movers.length < count) {
    const digit = choices.pick(left);
    const mover = drawMover(choices, digit, size);
    if (mover === null || (set !== "held-out" && isHeldOut(mover))) continue;
    const places = mover.cells.map((cell, age) => `${mover.appears + age}:${cell}`);
    if (places.some((place) => taken.has(place))) continue;
    for (const place of places) taken.add(place);
    left.splice(left.indexOf(digit), 1);
    movers.push(mover);
  }
  return { size, movers: movers.sort((a, b) => a.appears - b.appears || a.cells[0]! - b.cells[0]!) };
}

function videoPatches(choices: Choices, set: DocumentSet, { size, movers }: DigitVideo): Float32Array {
  const [frames, height, width] = size;
  const patches = digitPatches(set);
  const values = new Float32Array(frames * height * width * patchDim);
  for (const { digit, appears, cells } of movers) {
    const patch = patches.of(digit, (count) => choices.below(count));
    cells.forEach((cell, age) => {
      values.set(patch, ((appears + age) * height * width + cell) * patchDim);
    });
  }
  return values;
}

/** A question that could be asked, and the digit that it tells of. */
interface Candidate {
  readonly kind: string;
  readonly words: readonly string[];
  readonly answer: readonly string[];
  readonly digit: number;
}

function candidates({ movers }: DigitVideo, set: DocumentSet): Candidate[] {
  const heldOut = set === "held-out";
  return movers.flatMap((mover): Candidate[] => {
    const { digit, appears } = mover;
    const word = digitWords[digit]!;
    const [direction, speed, frame] = described(mover) as [string, string, string];
    const found: Candidate[] = [];
    if (isHeldOutMotion(digit, mover.direction) === heldOut) {
      found.push({ kind: "direction", words: ["direction", word], answer: [direction], digit });
    }
    if (!heldOut) found.push({ kind: "speed", words: ["speed", word], answer: [speed], digit });
    if (isHeldOutFrame(digit, appears) === heldOut) {
      found.push({ kind: "when", words: ["when", word], answer: [frame], digit });
      if (movers.every((other) => other === mover || other.appears !== appears)) {
        found.push({ kind: "new", words: ["new", frame], answer: [word], digit });
      }
    }
    return found;
  });
}

/** First frame, row and column in each frame, direction, speed. */
function pathOf(mover: Mover, width: number): string[] {
  const [direction, speed, frame] = described(mover) as [string, string, string];
  const cells = mover.cells.flatMap((cell) => [
    `row-${Math.floor(cell / width) + 1}`,
    `column-${(cell % width) + 1}`,
  ]);
  return [frame, ...cells, direction, speed];
}

/** Direction, speed and first frame. */
function described({ direction, isFast, appears }: Mover): string[] {
  return [directions[direction]!.word, speeds[isFast ? 1 : 0], frameWord(appears)];
}

/**
 * A document of a video in which digits appear, move and disappear, a patch per cell, and questions until it is full. Before the video
 * stands its size. Only direction and speed are both asked of one digit: no answer can be read off another.
 */
function videoDocument(set: DocumentSet, index: number, seed: number): QuestionDocument {
  const choices = new Choices(seed, setNumber(set), index);
  const writer = new DocumentWriter(vocabulary);
  const size = choices.pick(set === "larger" ? largerSizes : trainSizes);
  const video = drawVideo(choices, size, set);
  writer.text([`frames-${size[0]}`, `height-${size[1]}`, `width-${size[2]}`]);
  writer.grid(...size, videoPatches(choices, set, video));
  if (set !== "held-out" && choices.below(2) === 0) {
    const { movers } = video;
    const digits = movers.map(({ digit }) => digitWords[digit]!);
    writer.question("list", ["list"], digits);
    for (const mover of choices.shuffled(movers)) {
      writer.question("path", ["path", digitWords[mover.digit]!], pathOf(mover, size[2]));
    }
    return writer.end();
  }
  const limit = videoTask.length(set);
  let open = candidates(video, set);
  while (open.length > 0) {
    const kind = choices.pick([...new Set(open.map((candidate) => candidate.kind))]);
    const chosen = choices.pick(open.filter((candidate) => candidate.kind === kind));
    writer.question(kind, chosen.words, chosen.answer);
    const isMotion = (name: string) => name === "direction" || name === "speed";
    open = open.filter(
      (candidate) =>
        candidate !== chosen &&
        writer.length + candidate.words.length + candidate.answer.length <= limit &&
        (candidate.digit !== chosen.digit || isMotion(candidate.kind) || isMotion(kind)),
    );
  }
  return writer.end();
}

/**
 * MNIST digits that move in the cells of videos: in which direction and how fast a digit moves, in which frame it appears, which digit
 * appears in a frame, all digits in the order in which they appear, and the path of a digit, cell by cell.
 */
export const videoTask: Task = {
  vocabulary,
  kinds,
  heldOutKinds: ["direction", "when", "new"],
  length: (set) => (set === "larger" ? 110 : 94),
  document: videoDocument,
};
