export { AtomicFile, writeFileAtomically } from "./atomicFile.ts";
export { BatchSampler, type BatchSamplerOptions, evaluationBatches, mix, permuted } from "./batchSampler.ts";
export { BpeTokenizer, trainBpe } from "./bpe.ts";
export { byteTokenizer } from "./byteTokenizer.ts";
export {
  corpusNames,
  type DocumentOptions,
  type DocumentPart,
  readDocuments,
  type SourceFile,
  sourceFiles,
} from "./documents.ts";
export { type ImageSet, imageBatch } from "./imageSet.ts";
export { type LabelledImages, mnistDigits } from "./mnist.ts";
export { openTokenDataset, type TokenDataset, type TokenDatasetOptions } from "./tokenDataset.ts";
export { decode, StreamDecoder, type Tokenizer } from "./tokenizer.ts";
export { type TokenFile, TokenSource } from "./tokenSource.ts";
