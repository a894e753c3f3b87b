export { AtomicFile, writeFileAtomically } from "./atomicFile.ts";
export { BatchSampler, type BatchSamplerOptions, evaluationBatches, mix, permuted } from "./batchSampler.ts";
export { BpeTokenizer, trainBpe } from "./bpe.ts";
export { byteTokenizer } from "./byteTokenizer.ts";
export {
  bytesPerImage,
  type CodeFileHeader,
  codesPerImage,
  decodeCodeFile,
  encodeCodeFile,
  type ImageCodes,
  readCodeFile,
  writeCodeFile,
} from "./codeFile.ts";
export {
  corpusNames,
  type DocumentOptions,
  type DocumentPart,
  readDocuments,
  type SourceFile,
  sourceFiles,
} from "./documents.ts";
export { encodePng, type Image, readImage, resizeImage, writePng } from "./imageFile.ts";
export {
  cropImage,
  fitImage,
  type ImageFit,
  type ImageSize,
  imageFits,
  imagePatches,
} from "./imageFit.ts";
export { imageFiles, type NamedImage, type ReadImagesOptions, readImages } from "./imageFolder.ts";
export { type ImageGridOptions, imageGrid, reconstructionGrid, visibleScale } from "./imageGrid.ts";
export { ImageSampler, type ImageSamplerOptions } from "./imageSampler.ts";
export { type ImageSet, imageAt, imageBatch, imageSet, imagesFromBatch } from "./imageSet.ts";
export { type LabelledImages, mnistDigits } from "./mnist.ts";
export { type ImageDataOptions, type ImageDataset, imageSourceNames, openImages } from "./openImages.ts";
export { type PhotographName, photographs, readPhotograph } from "./photographs.ts";
export { openTokenDataset, type TokenDataset, type TokenDatasetOptions } from "./tokenDataset.ts";
export { decode, StreamDecoder, type Tokenizer } from "./tokenizer.ts";
export { type TokenFile, TokenSource } from "./tokenSource.ts";
