import { DataError } from "../errors.ts";

/**
 * Codes of an image as tokens: a start token, then the codes row by row. Each codebook has ids of its own, one after the other; start
 * tokens come last, one for each class, or one alone.
 */
export interface CodeVocabulary {
  /** Number of codes, for each code of a vector. */
  readonly codebookSizes: readonly number[];
  /** Classes that images are labelled with; 0 without labels. */
  readonly numClasses: number;
}

/** First id of each codebook. */
export function codeOffsets({ codebookSizes }: CodeVocabulary): number[] {
  return codebookSizes.map((_, i) => codebookSizes.slice(0, i).reduce((sum, size) => sum + size, 0));
}

function numCodes({ codebookSizes }: CodeVocabulary): number {
  return codebookSizes.reduce((sum, size) => sum + size, 0);
}

/** Number of ids. */
export function codeVocabSize(vocabulary: CodeVocabulary): number {
  return numCodes(vocabulary) + Math.max(1, vocabulary.numClasses);
}

/**
 * The token that an image begins with.
 *
 * @throws DataError if there is no such class
 */
export function startToken(vocabulary: CodeVocabulary, label: number | null): number {
  const { numClasses } = vocabulary;
  if (label === null && numClasses === 0) return numCodes(vocabulary);
  if (label === null || !Number.isInteger(label) || label < 0 || label >= numClasses) {
    throw new DataError(
      `class ${label}: ${numClasses === 0 ? "the model was trained without classes" : `expected 0 to ${numClasses - 1}`}`,
    );
  }
  return numCodes(vocabulary) + label;
}

/**
 * Tokens of one image, `1 + codes.length` of them.
 *
 * @param codes - of an image, those of a vector one after the other
 * @param label - class of the image, or null without classes
 */
export function codesToTokens(
  vocabulary: CodeVocabulary,
  codes: Int32Array,
  label: number | null,
): Int32Array {
  const offsets = codeOffsets(vocabulary);
  const tokens = new Int32Array(1 + codes.length);
  tokens[0] = startToken(vocabulary, label);
  codes.forEach((code, i) => {
    tokens[1 + i] = code + offsets[i % offsets.length]!;
  });
  return tokens;
}
