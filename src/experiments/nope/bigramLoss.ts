import { evaluationBatches, type TokenDataset } from "../../data/index.ts";
import { rounded } from "./places.ts";

/**
 * Validation loss, in nats, of a table of pairs: `p(b | a) = (count(a, b) + ½)/(count(a) + V/2)`, counted over the whole training text. A
 * model that isn't better has learnt nothing of what lies before the last token.
 *
 * @param batches - validation batches of `batchSize` rows of `length + 1` tokens, those of the trainings
 */
export function bigramLoss(
  data: TokenDataset,
  { batchSize, length, batches }: { batchSize: number; length: number; batches: number },
): number {
  const { vocabSize } = data.tokenizer;
  const pairs = new Float64Array(vocabSize * vocabSize);
  const singles = new Float64Array(vocabSize);
  const chunk = new Int32Array(1 << 16);
  for (let start = 0; start + 1 < data.train.length; start += chunk.length - 1) {
    const count = Math.min(chunk.length, data.train.length - start);
    data.train.read(start, count, chunk, 0);
    for (let i = 0; i + 1 < count; i++) {
      pairs[chunk[i]! * vocabSize + chunk[i + 1]!]!++;
      singles[chunk[i]!]!++;
    }
  }
  let [sum, count] = [0, 0];
  for (const tokens of evaluationBatches(data.validation, batchSize, length, batches)) {
    for (let row = 0; row < batchSize; row++) {
      for (let i = 0; i < length; i++, count++) {
        const at = row * (length + 1) + i;
        const [a, b] = [tokens[at]!, tokens[at + 1]!];
        sum -= Math.log((pairs[a * vocabSize + b]! + 0.5) / (singles[a]! + vocabSize / 2));
      }
    }
  }
  return rounded(sum / count);
}
