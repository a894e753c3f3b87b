import { type LabelledImages, mnistDigits } from "../../data/index.ts";
import type { MixedDocument } from "../../nn/index.ts";

/** A question of a document. Its answer is right if every token is. */
export interface Question {
  readonly kind: string;
  /** Place of the first token of the answer in the document. */
  readonly at: number;
  /** Token ids. */
  readonly answer: readonly number[];
}

/** A document with what it asks. Only the tokens of answers count in the loss. */
export interface QuestionDocument {
  readonly document: MixedDocument;
  readonly questions: readonly Question[];
}

/**
 * Which documents: `"train"`; `"seen"`, as in training, of other digits; `"held-out"`, questions about compositions that training never shows;
 * `"larger"`, grids larger than any of training.
 */
export type DocumentSet = "train" | "seen" | "held-out" | "larger";

/** The sets that a trained model is asked about. */
export const askedSets = ["seen", "held-out", "larger"] as const satisfies readonly DocumentSet[];

/** Documents to learn from and to be asked. */
export interface Task {
  readonly vocabulary: Vocabulary;
  /** Kinds of questions. */
  readonly kinds: readonly string[];
  /** Kinds that have held-out compositions. */
  readonly heldOutKinds: readonly string[];
  /** Most tokens of a document in a set. */
  length(set: DocumentSet): number;
  /** Document `index` of a set; the same for the same seed. */
  document(set: DocumentSet, index: number, seed: number): QuestionDocument;
}

/** Words as token ids; the last id stands at patches. */
export class Vocabulary {
  readonly words: readonly string[];
  readonly #ids: ReadonlyMap<string, number>;

  constructor(words: readonly string[]) {
    this.words = words;
    this.#ids = new Map(words.map((word, id) => [word, id]));
  }

  /** Ids of all words and of the patch token. */
  get size(): number {
    return this.words.length + 1;
  }

  get patchToken(): number {
    return this.words.length;
  }

  /** @throws RangeError if there is no such word */
  id(word: string): number {
    const id = this.#ids.get(word);
    if (id === undefined) throw new RangeError(`word "${word}": expected one of ${this.words.join(" ")}`);
    return id;
  }
}

/** Writes a document: parts, the place of each answer, and weights. */
export class DocumentWriter {
  readonly #parts: MixedDocument[number][] = [];
  readonly #questions: Question[] = [];
  readonly #tokens: number[] = [];
  readonly #weights: number[] = [];
  readonly #vocabulary: Vocabulary;
  #length = 0;

  constructor(vocabulary: Vocabulary) {
    this.#vocabulary = vocabulary;
  }

  get length(): number {
    return this.#length;
  }

  #text(words: readonly string[], weight: number): number[] {
    const ids = words.map((word) => this.#vocabulary.id(word));
    this.#tokens.push(...ids);
    this.#weights.push(...ids.map(() => weight));
    this.#length += ids.length;
    return ids;
  }

  #endText(): void {
    if (this.#tokens.length === 0) return;
    this.#parts.push({ tokens: this.#tokens.splice(0), weights: this.#weights.splice(0) });
  }

  text(words: readonly string[]): void {
    this.#text(words, 0);
  }

  grid(frames: number, height: number, width: number, patches: Float32Array): void {
    this.#endText();
    const segment =
      frames === 0
        ? ({ kind: "image", height, width } as const)
        : ({ kind: "video", frames, height, width } as const);
    const count = Math.max(1, frames) * height * width;
    this.#parts.push({ segment, patches, weights: new Float32Array(count) });
    this.#length += count;
  }

  question(kind: string, words: readonly string[], answer: readonly string[]): void {
    this.text(words);
    const at = this.#length;
    this.#questions.push({ kind, at, answer: this.#text(answer, 1) });
  }

  end(): QuestionDocument {
    this.#endText();
    return { document: this.#parts, questions: this.#questions };
  }
}

/** Side of a digit as a patch: 28 pixels, averaged four by four. */
export const patchSide = 7;
export const patchDim = patchSide * patchSide;

/** Digits as patches, `[49]` numbers from 0 to 1 each, by what they show. */
export class DigitPatches {
  readonly #byDigit: Float32Array[][] = Array.from({ length: 10 }, () => []);

  constructor({ count, pixels, labels }: LabelledImages) {
    for (let i = 0; i < count; i++) {
      const patch = new Float32Array(patchDim);
      for (let y = 0; y < 28; y++) {
        for (let x = 0; x < 28; x++) {
          patch[(y >> 2) * patchSide + (x >> 2)]! += pixels[i * 784 + y * 28 + x]! / (16 * 255);
        }
      }
      this.#byDigit[labels[i]!]!.push(patch);
    }
  }

  /** A picture of a digit; `choice` is a random number below 2³². */
  of(digit: number, choice: (size: number) => number): Float32Array {
    const patches = this.#byDigit[digit]!;
    return patches[choice(patches.length)]!;
  }
}

let loaded: Readonly<Record<"train" | "validation", DigitPatches>> | null = null;

/** The digits of a set: those of training, or others. */
export function digitPatches(set: DocumentSet): DigitPatches {
  loaded ??= {
    train: new DigitPatches(mnistDigits("train")),
    validation: new DigitPatches(mnistDigits("validation")),
  };
  return loaded[set === "train" ? "train" : "validation"];
}

export const digitWords = [
  "zero",
  "one",
  "two",
  "three",
  "four",
  "five",
  "six",
  "seven",
  "eight",
  "nine",
] as const;

/** A number of a set, for the seeds of its documents. */
export const setNumber = (set: DocumentSet) => ["train", "seen", "held-out", "larger"].indexOf(set);
