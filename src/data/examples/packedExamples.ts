import { DataError } from "../../errors.ts";
import { mix, permuted } from "../batchSampler.ts";
import type { TokenSource } from "../tokenSource.ts";
import { packRows } from "./packRows.ts";

/** Parts of a list of examples. */
export interface ExampleRange {
  readonly source: TokenSource;
  /** First token of each example, and the end of the last. */
  readonly starts: Float64Array;
  readonly from: number;
  readonly to: number;
}

/** The value of targets that don't count, as `crossEntropy` is told. */
const ignored = -100;

/** Rows of a batch; each array is `B × L`. */
export interface PackedRows {
  readonly inputs: Int32Array<ArrayBuffer>;
  /** The token after each, or -100 where it isn't to be learned. */
  readonly targets: Int32Array<ArrayBuffer>;
  /** Which of the row's documents a place is of, from 1 on; 0 for none. */
  readonly segments: Int32Array<ArrayBuffer>;
  /** The place in its document. */
  readonly places: Int32Array<ArrayBuffer>;
  /** Targets that count. */
  readonly numCounted: number;
}

/** Examples in rows of `L` places, documents apart; batches are a function of their index. */
export class PackedExamples {
  /** Examples, those with nothing to learn too. */
  readonly numExamples: number;
  /** Examples that were longer than a row, and the tokens that were cut. */
  readonly numCut: number;
  readonly tokensCut: number;
  /** Examples without a token to learn, which are in no row. */
  readonly numWithout: number;
  /** Tokens in rows. */
  readonly numTokens: number;
  readonly #range: ExampleRange;
  readonly #length: number;
  readonly #rows: readonly (readonly number[])[];

  /** @throws DataError if nothing is to be learned, or a token isn't of the vocabulary */
  constructor(range: ExampleRange, length: number, vocabSize: number) {
    this.#range = range;
    this.#length = length;
    const { from, to } = range;
    this.numExamples = to - from;
    let [numCut, tokensCut, numTokens] = [0, 0, 0];
    const kept: number[] = [];
    const sizes: number[] = [];
    for (let example = from; example < to; example++) {
      const stored = this.#read(example);
      const tooLarge = stored.find((token) => (token & 0x7fffffff) >= vocabSize);
      if (tooLarge !== undefined)
        throw new DataError(
          `example ${example + 1}: token ${tooLarge & 0x7fffffff}: expected less than ${vocabSize}, the size of the vocabulary`,
        );
      const whole = range.starts[example + 1]! - range.starts[example]!;
      if (whole > length + 1) {
        numCut++;
        tokensCut += whole - (length + 1);
      }
      // Nothing comes before the first.
      if (!stored.subarray(1).some((token) => token < 0)) continue;
      kept.push(example);
      sizes.push(stored.length - 1);
      numTokens += stored.length - 1;
    }
    this.numCut = numCut;
    this.tokensCut = tokensCut;
    this.numTokens = numTokens;
    this.numWithout = this.numExamples - kept.length;
    if (kept.length === 0)
      throw new DataError(
        `${this.numExamples} examples: none has a token to learn within training.length ${length}; expected a longer one, or assistants' turns`,
      );
    this.#rows = packRows(sizes, length).map((row) => row.map((i) => kept[i]!));
  }

  get numRows(): number {
    return this.#rows.length;
  }

  /** Stored tokens of an example, as many as a row takes; negative ones are to be learned. */
  #read(example: number): Int32Array<ArrayBuffer> {
    const { source, starts } = this.#range;
    const count = Math.min(starts[example + 1]! - starts[example]!, this.#length + 1);
    const tokens = new Int32Array(count);
    source.read(starts[example]!, count, tokens, 0);
    return tokens;
  }

  /** Some rows, one after the other. */
  rows(which: readonly number[]): PackedRows {
    const size = which.length * this.#length;
    const [inputs, segments, places] = [0, 0, 0].map(() => new Int32Array(size)) as [
      Int32Array<ArrayBuffer>,
      Int32Array<ArrayBuffer>,
      Int32Array<ArrayBuffer>,
    ];
    const targets = new Int32Array(size).fill(ignored);
    let numCounted = 0;
    for (const [r, row] of which.entries()) {
      let place = r * this.#length;
      for (const [segment, example] of this.#rows[row]!.entries()) {
        const stored = this.#read(example);
        for (let i = 0; i + 1 < stored.length; i++, place++) {
          inputs[place] = stored[i]! & 0x7fffffff;
          segments[place] = segment + 1;
          places[place] = i;
          if (stored[i + 1]! >= 0) continue;
          targets[place] = stored[i + 1]! & 0x7fffffff;
          numCounted++;
        }
      }
    }
    return { inputs, targets, segments, places, numCounted };
  }

  /** The rows of the batch that is drawn `index`-th: in every epoch each once, in an order of its own. */
  batch(index: number, batchSize: number, seed: number): PackedRows {
    const { numRows } = this;
    const which = Array.from({ length: batchSize }, (_, i) => {
      const drawn = index * batchSize + i;
      return permuted(drawn % numRows, numRows, mix(seed, Math.floor(drawn / numRows)));
    });
    return this.rows(which);
  }
}
