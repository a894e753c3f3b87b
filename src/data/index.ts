/**
 * Texts, images, tokenizers and code files. Node only.
 *
 * @module rotor/data
 */
export { AtomicFile, writeFileAtomically } from "./atomicFile.ts";
export { BatchSampler, type BatchSamplerOptions, evaluationBatches, mix, permuted } from "./batchSampler.ts";
export { BpeTokenizer } from "./bpeTokenizer.ts";
export { byteTokenizer } from "./byteTokenizer.ts";
export { bytesPerImage, decodeCodeFile, encodeCodeFile, readCodeFile, writeCodeFile } from "./codeFile.ts";
export { decodeCodeTensors, encodeCodeTensors } from "./codeTensors.ts";
export { type DataPackage, dataPackages, photographs } from "./dataPackages.ts";
export type { SplitOptions } from "./datasetFolder.ts";
export {
  corpusNames,
  type DocumentOptions,
  type DocumentPart,
  formatOf,
  readDocuments,
  readRecords,
  type SourceFile,
  sourceFiles,
} from "./documents.ts";
export {
  type ChatMessage,
  type ChatPrompt,
  ChatTemplate,
  chatPrompt,
  chatTemplateIn,
  type Example,
  type ExampleDataset,
  type ExampleDatasetOptions,
  type ExampleKind,
  exampleKinds,
  exampleOf,
  openExampleDataset,
  PackedExamples,
  type PackedRows,
  type RenderedChat,
  readChatTemplate,
  type StoredChatTemplate,
  tokensInSpans,
} from "./examples/index.ts";
export { type CodeFileHeader, codesPerImage, type ImageCodes } from "./imageCodes.ts";
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
export { makeFolder, makeTemporaryFolder, unwritable } from "./makeFolder.ts";
export { type LabelledImages, mnistDigits } from "./mnist.ts";
export { type ImageDataOptions, type ImageDataset, imageSourceNames, openImages } from "./openImages.ts";
export { checkOutput, writeOutput } from "./outputFile.ts";
export { addPackage, dataHome, findPackageFolder, packageFolder } from "./packageFolder.ts";
export { type PhotographName, readPhotograph } from "./photographs.ts";
export { PipelineTokenizer } from "./pipelineTokenizer.ts";
export type { DataRecord } from "./records/index.ts";
export { namedFormat, type SourceFormat, sourceEndings, sourceFormats } from "./records/index.ts";
export { ownerOf, ownerTag, scratchFolder, scratchPrefix } from "./temporaryName.ts";
export {
  namedTokenizer,
  openTokenDataset,
  readTokenizer,
  type TokenDataset,
  type TokenDatasetOptions,
  trainTokenizer,
} from "./tokenDataset.ts";
export { decode, promptTokens, StreamDecoder, type Tokenizer } from "./tokenizer.ts";
export { type TokenFile, TokenSource } from "./tokenSource.ts";
export { trainBpe, trainBpeOnStream } from "./trainBpe.ts";
