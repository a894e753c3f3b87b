import assert from "node:assert/strict";
import { test } from "node:test";
import { mnistDigits } from "../../data/index.ts";
import { layoutNamed, layoutTokens, modelLayout } from "../../position/index.ts";
import {
  countPredicted,
  mixedStream,
  numPictureCodes,
  type StreamSet,
  streamDocument,
  streamKinds,
  streamLength,
  streamVocabulary,
} from "./streamDocuments.ts";
import { type StreamSettings, StreamTrainer } from "./streamTrial.ts";
import { digitWords } from "./task.ts";

const sets: readonly StreamSet[] = ["train", "seen", "longer"];
const layouts = [
  layoutNamed("tie-stream"),
  layoutNamed("tie-v2-3d"),
  layoutNamed("mrope-interleaved"),
  modelLayout("hunyuan_vl"),
];

/** Pixels of a picture's codes, as mean brightness above two fifths, computed pixel by pixel of the finer grid. */
function codesOf(digit: Uint8Array, height: number, width: number): string {
  const codes = [];
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      let code = "";
      for (const y of [2 * row, 2 * row + 1]) {
        for (const x of [2 * column, 2 * column + 1]) {
          const within: number[] = [];
          for (let i = 0; i < 400; i++) {
            const [r, c] = [Math.floor(i / 20), i % 20];
            const lies = (at: number, cell: number, cells: number) =>
              at >= Math.floor((20 * cell) / cells) && at < Math.floor((20 * (cell + 1)) / cells);
            if (lies(r, y, 2 * height) && lies(c, x, 2 * width)) within.push(digit[28 * (r + 4) + c + 4]!);
          }
          code += within.reduce((a, b) => a + b, 0) > 102 * within.length ? "1" : "0";
        }
      }
      codes.push(Number.parseInt(code, 2));
    }
  }
  return codes.join();
}

test("grids show the digit that the words beside them name, of the digits of their set", () => {
  const split = {
    train: mnistDigits("train"),
    seen: mnistDigits("validation"),
    longer: mnistDigits("validation"),
  };
  const kinds = new Set<string>();
  for (const set of sets) {
    const { count, labels, pixels } = split[set];
    for (let index = 0; index < 2; index++) {
      const parts = streamDocument(set, index, 3);
      assert.ok(parts.length > 0);
      const words = parts.map((part) => ("words" in part ? part.words : null));
      let tokens = 0;
      parts.forEach((part, at) => {
        if ("words" in part) {
          tokens += part.words.length;
          return;
        }
        const { frames, height, width, codes } = part;
        tokens += codes.length;
        assert.equal(codes.length, (frames ?? 1) * height * width);
        const before = words[at - 1]!.map(({ word }) => word);
        kinds.add(before[0]!);
        assert.deepEqual(before.slice(-2), [`size-${height}`, `size-${width}`]);
        assert.equal(frames !== null, ["video", "play"].includes(before[0]!));
        const isTold = ["draw", "play"].includes(before[0]!);
        const [name, answers] = isTold
          ? [before[1]!, []]
          : [words[at + 1]![1]!.word, words[at + 1]!.filter(({ isAnswer }) => isAnswer)];
        assert.equal(answers.length, isTold ? 0 : 1);
        const picture = codes.slice(0, height * width);
        for (let frame = 1; frame < (frames ?? 1); frame++)
          assert.deepEqual(codes.slice(frame * height * width, (frame + 1) * height * width), picture);
        const label = digitWords.indexOf(name as never);
        const found = Array.from({ length: count }, (_, i) => i).some(
          (i) =>
            labels[i] === label &&
            codesOf(pixels.subarray(784 * i, 784 * (i + 1)), height, width) === picture.join(),
        );
        assert.ok(found, `${set} ${index}: no ${name} has codes ${picture}`);
      });
      assert.ok(tokens <= streamLength(set, layouts[0]!));
    }
  }
  assert.deepEqual([...kinds].sort(), ["draw", "image", "play", "video"]);
});

test("every layout gets the same words and codes, and the same ones count", () => {
  for (const set of sets) {
    for (let index = 0; index < 30; index++) {
      const parts = streamDocument(set, index, 5);
      const counts = countPredicted(parts);
      const expected = parts.flatMap((part): readonly (string | number)[] =>
        "words" in part ? part.words.map(({ word }) => word) : part.codes,
      );
      for (const layout of layouts) {
        for (const kind of streamKinds) {
          const document = mixedStream(parts, layout, [kind]);
          const weights = document.flatMap((part) => [...Array.from(part.weights!)]);
          assert.equal(
            weights.reduce((a, b) => a + b, 0),
            counts[kind],
          );
        }
        const document = mixedStream(parts, layout, streamKinds);
        const found = document.flatMap((part): (string | number)[] => {
          if (!("segment" in part)) return Array.from(part.tokens, (id) => streamVocabulary.words[id]!);
          assert.ok("codes" in part);
          assert.equal(part.codes.length, layoutTokens(layout, part.segment));
          return Array.from(part.codes).filter((code) => code < numPictureCodes);
        });
        assert.deepEqual(found, expected, layout.name);
        const length = document.reduce(
          (sum, part) => sum + ("segment" in part ? layoutTokens(layout, part.segment) : part.tokens.length),
          0,
        );
        assert.ok(length <= streamLength(set, layout), layout.name);
      }
    }
  }
});

test("a trial is decided by its seed, and its loss is that of all predicted tokens", async () => {
  const settings: StreamSettings = {
    task: "streams",
    layout: "tie-stream",
    allocation: { kind: "cyclic" },
    steps: 3,
    batchSize: 2,
    muonLearningRate: 0.03,
    adamwLearningRate: 0.02,
    numLayers: 1,
    modelDim: 16,
    numHeads: 1,
    headDim: 16,
    ropeBase: 100,
    numDocuments: 4,
  };
  await using trainer = new StreamTrainer(settings, 1);
  const first = await trainer.run(1);
  assert.deepEqual(await trainer.run(1), first);
  const other = await trainer.run(2);
  assert.notEqual(other.seen.all, first.seen.all);
  for (const [seed, result] of [
    [1, first],
    [2, other],
  ] as const) {
    for (const set of ["seen", "longer"] as const) {
      const counts = [0, 1, 2, 3].map((index) => countPredicted(streamDocument(set, index, seed)));
      const total = (kind: (typeof streamKinds)[number]) =>
        counts.reduce((sum, count) => sum + count[kind], 0);
      const tokens = streamKinds.reduce((sum, kind) => sum + total(kind), 0);
      const all = streamKinds.reduce((sum, kind) => sum + total(kind) * result[set][kind], 0) / tokens;
      assert.ok(Math.abs(all - result[set].all) < 1e-5);
      // Hardly trained: about as good as a guess among 16 codes.
      assert.ok(Math.abs(result[set].images - Math.log(18)) < 1.5);
    }
  }
});
