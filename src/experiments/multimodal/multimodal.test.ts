import assert from "node:assert/strict";
import { test } from "node:test";
import { mnistDigits } from "../../data/index.ts";
import { segmentLength } from "../../position/index.ts";
import { accuracies, armVerdict, type Comparison, difference } from "./comparison.ts";
import { digitTask, isHeldOutPair, isHeldOutPlace } from "./digitDocuments.ts";
import { type DocumentSet, digitWords, patchDim, type QuestionDocument, type Task } from "./task.ts";
import type { TaskResult } from "./taskTrial.ts";
import { isHeldOutFrame, isHeldOutMotion, videoTask } from "./videoDocuments.ts";

/** Sum of the pixels of an averaged patch → digit, by the digits themselves. */
const digitOf = new Map<string, number>();
for (const split of ["train", "validation"] as const) {
  const { count, pixels, labels } = mnistDigits(split);
  for (let i = 0; i < count; i++) {
    const sums = new Uint32Array(patchDim);
    for (let y = 0; y < 28; y++) {
      for (let x = 0; x < 28; x++)
        sums[Math.floor(y / 4) * 7 + Math.floor(x / 4)]! += pixels[784 * i + 28 * y + x]!;
    }
    digitOf.set(sums.join(), labels[i]!);
  }
}

interface Grid {
  readonly frames: number;
  readonly height: number;
  readonly width: number;
  /** Read back from the pixels; null is empty. */
  readonly cells: readonly (number | null)[];
}

/** Grids from pixels, and questions as words: `[kind, …, answer words]`. */
function readBack(task: Task, { document, questions }: QuestionDocument) {
  const grids: Grid[] = [];
  const words: string[] = [];
  const weights: number[] = [];
  for (const part of document) {
    if (!("segment" in part)) {
      words.push(...Array.from(part.tokens, (id) => task.vocabulary.words[id]!));
      weights.push(...Array.from(part.weights!));
      continue;
    }
    const { segment } = part;
    const count = segmentLength(segment);
    assert.ok("patches" in part && part.patches.length === count * patchDim);
    const cells = Array.from({ length: count }, (_, cell) => {
      const sums = Array.from({ length: patchDim }, (_, i) =>
        Math.round(part.patches[cell * patchDim + i]! * 16 * 255),
      );
      return sums.every((sum) => sum === 0) ? null : digitOf.get(sums.join())!;
    });
    assert.ok(cells.every((digit) => digit !== undefined));
    const frames = segment.kind === "video" ? segment.frames : 1;
    grids.push({ frames, height: segment.height, width: segment.width, cells });
    words.push(...cells.map(() => "patch"));
    weights.push(...cells.map(() => 0));
  }
  const asked = questions.map(({ kind, at, answer }) => {
    const start = words.lastIndexOf(kind, at - 1);
    const spoken = words.slice(at, at + answer.length);
    assert.deepEqual(
      spoken,
      answer.map((id) => task.vocabulary.words[id]),
    );
    return { kind, question: words.slice(start + 1, at), answer: spoken };
  });
  // Answers count in the loss, and nothing else.
  const counted = weights.reduce((a, b) => a + b, 0);
  assert.equal(
    counted,
    questions.reduce((sum, { answer }) => sum + answer.length, 0),
  );
  for (const { at, answer } of questions) assert.ok(answer.every((_, i) => weights[at + i] === 1));
  return { grids, asked, length: words.length };
}

const ordinals = ["first", "second", "third", "fourth"];
const sets: readonly DocumentSet[] = ["train", "seen", "held-out", "larger"];

test("answers about images are what the pixels show, and compositions are held out", () => {
  const kinds = new Set<string>();
  for (const set of sets) {
    for (let index = 0; index < 60; index++) {
      const { grids, asked, length } = readBack(digitTask, digitTask.document(set, index, 3));
      assert.ok(length <= digitTask.length(set));
      assert.ok(grids.length >= 2 && grids.length <= 4);
      const find = (word: string) => {
        const digit = digitWords.indexOf(word as never);
        const image = grids.findIndex(({ cells }) => cells.includes(digit));
        const { width, cells } = grids[image]!;
        const place = cells.indexOf(digit);
        return { digit, image, place, row: Math.floor(place / width), column: place % width, width, cells };
      };
      for (const { width, height, cells } of grids) {
        assert.equal(height * width > 9, set === "larger");
        if (set === "held-out") continue;
        cells.forEach((digit, place) => {
          if (digit === null) return;
          const [row, column] = [Math.floor(place / width), place % width];
          assert.ok(!isHeldOutPlace(digit, row, column));
          const neighbours = [column + 1 < width ? cells[place + 1] : null, cells[place + width]];
          for (const other of neighbours) assert.ok(other == null || !isHeldOutPair(digit, other));
        });
      }
      let sinceImage = -1;
      for (const { kind, question, answer } of asked) {
        kinds.add(kind);
        if (["read", "list", "map"].includes(kind)) {
          // A caption tells of the image right before it; which one that is follows from its digits.
          const { image } = find(answer.find((word) => digitWords.includes(word as never))!);
          assert.ok(image > sinceImage);
          sinceImage = image;
          const { cells, width } = grids[image]!;
          const expected = cells.flatMap((digit, place) => {
            if (digit === null) return [];
            const where = [`row-${Math.floor(place / width) + 1}`, `column-${(place % width) + 1}`];
            const word = digitWords[digit]!;
            return kind === "read" ? [word] : kind === "list" ? [word, ...where] : [...where, word];
          });
          assert.deepEqual(answer, expected);
          continue;
        }
        if (kind === "what") {
          const { width, cells } = grids[ordinals.indexOf(question[0]!)]!;
          const [row, column] = [question[1]!, question[2]!].map((word) => Number(word.at(-1)) - 1);
          const digit = cells[row! * width + column!]!;
          assert.deepEqual(answer, [digitWords[digit]]);
          assert.equal(isHeldOutPlace(digit, row!, column!), set === "held-out");
        } else if (kind === "many") {
          const { cells } = grids[ordinals.indexOf(question[0]!)]!;
          assert.deepEqual(answer, [digitWords[cells.filter((digit) => digit !== null).length]]);
        } else {
          const { digit, image, place, row, column, width, cells } = find(question[0]!);
          if (kind === "which") assert.deepEqual(answer, [ordinals[image]]);
          if (kind === "where") {
            assert.deepEqual(answer, [`row-${row + 1}`, `column-${column + 1}`]);
            assert.equal(isHeldOutPlace(digit, row, column), set === "held-out");
          }
          if (kind === "right" || kind === "below") {
            const other = cells[place + (kind === "right" ? 1 : width)]!;
            assert.ok(kind === "below" || column + 1 < width);
            assert.deepEqual(answer, [digitWords[other]]);
            assert.equal(isHeldOutPair(digit, other), set === "held-out");
          }
        }
      }
    }
  }
  assert.deepEqual([...kinds].sort(), [...digitTask.kinds].sort());
});

test("answers about videos are what the pixels show, and motions are held out", () => {
  const kinds = new Set<string>();
  const directions = ["left", "right", "up", "down"];
  for (const set of sets) {
    for (let index = 0; index < 60; index++) {
      const { grids, asked, length } = readBack(videoTask, videoTask.document(set, index, 4));
      assert.ok(length <= videoTask.length(set));
      assert.equal(grids.length, 1);
      /** Cells of each digit by frame. */
      const paths = grids.map(({ frames, height, width, cells }) => {
        const size = height * width;
        const seen = new Map<number, { frame: number; row: number; column: number }[]>();
        for (let frame = 0; frame < frames; frame++) {
          cells.slice(frame * size, (frame + 1) * size).forEach((digit, cell) => {
            if (digit === null) return;
            const own = { frame, row: Math.floor(cell / width), column: cell % width };
            seen.set(digit, [...(seen.get(digit) ?? []), own]);
          });
        }
        return seen;
      });
      const describe = (digit: number) => {
        const path = paths.find((seen) => seen.has(digit))!.get(digit)!;
        const [a, b] = [path[0]!, path.at(-1)!];
        const [down, right] = [b.row - a.row, b.column - a.column];
        const direction = right < 0 ? "left" : right > 0 ? "right" : down < 0 ? "up" : "down";
        const next = path[1]!;
        const isFast = next.row !== a.row || next.column !== a.column;
        return { direction, speed: isFast ? "fast" : "slow", when: `frame-${a.frame + 1}`, frame: a.frame };
      };
      for (const seen of paths) {
        for (const digit of seen.keys()) {
          if (set === "held-out") continue;
          const { direction, frame } = describe(digit);
          assert.ok(!isHeldOutMotion(digit, directions.indexOf(direction)) && !isHeldOutFrame(digit, frame));
        }
      }
      for (const { kind, question, answer } of asked) {
        kinds.add(kind);
        if (kind === "list") {
          const own = [...paths[0]!.keys()].map((digit) => digitWords[digit]);
          assert.deepEqual(answer, own);
        } else if (kind === "path") {
          const digit = digitWords.indexOf(question[0] as never);
          const { direction, speed, when } = describe(digit);
          const cells = paths[0]!
            .get(digit)!
            .flatMap(({ row, column }) => [`row-${row + 1}`, `column-${column + 1}`]);
          assert.deepEqual(answer, [when, ...cells, direction, speed]);
        } else if (kind === "new") {
          const digit = digitWords.indexOf(answer[0] as never);
          assert.ok(paths[0]!.has(digit));
          assert.equal(describe(digit).when, question[0]);
          assert.equal(isHeldOutFrame(digit, describe(digit).frame), set === "held-out");
        } else {
          const digit = digitWords.indexOf(question[0] as never);
          assert.deepEqual(answer, [describe(digit)[kind as "direction" | "speed" | "when"]]);
        }
      }
    }
  }
  assert.deepEqual([...kinds].sort(), [...videoTask.kinds].sort());
});

test("documents are decided by set, index and seed", () => {
  for (const task of [digitTask, videoTask]) {
    const text = (set: DocumentSet, index: number, seed: number) =>
      JSON.stringify(task.document(set, index, seed));
    const first = text("train", 5, 1);
    assert.equal(text("train", 5, 1), first);
    for (const other of [text("train", 6, 1), text("train", 5, 2), text("seen", 5, 1)])
      assert.notEqual(other, first);
  }
});

test("accuracy is the mean over the kinds, and verdicts follow the interval of differences by seed", () => {
  const result = (right: number): TaskResult => ({
    losses: [1],
    scores: { seen: Object.fromEntries(digitTask.kinds.map((kind) => [kind, { right, asked: 100 }])) },
  });
  const comparison = {
    task: digitTask,
    results: {
      // By seed 20, 30, 10 more; 0, 20, −20 more.
      a: [70, 80, 60].map(result),
      b: [50, 50, 50].map(result),
      c: [70, 60, 80].map(result),
    },
  } as unknown as Comparison;
  assert.deepEqual(
    accuracies(comparison, "a", "seen"),
    [0.7, 0.8, 0.6].map((value) => Number(value.toFixed(1))),
  );
  // t(0.975, 2) = 4.3027, s = 0.1, n = 3: 0.2 ± 0.2484.
  const { mean, low } = difference(comparison, ["a", "b"], "seen", ["what"]);
  assert.ok(Math.abs(mean - 0.2) < 1e-12 && Math.abs(low + 0.0484) < 1e-4);
  const verdict = (better: string, other: string, own = comparison) =>
    armVerdict(own, { claim: "x", better, than: [other], set: "seen" });
  assert.equal(verdict("a", "c").verdict, "open");
  assert.match(verdict("a", "c").found, /a − c 0\.0 ± \d+\.\d points \(no significant difference\)/);
  const clear = { ...comparison, results: { ...comparison.results, a: [70, 71, 70].map(result) } };
  assert.equal(verdict("a", "b", clear).verdict, "holds");
  assert.equal(verdict("b", "a", clear).verdict, "fails");
});
