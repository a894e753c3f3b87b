/**
 * Text of a model, images of codes, codes of images. Node only.
 *
 * @module rotor/sample
 */
export { CodeSampler, type SampleCodesOptions } from "./codeSampler.ts";
export { type CodeVocabulary, codeOffsets, codesToTokens, codeVocabSize, startToken } from "./codeTokens.ts";
export { type DrawnToken, type DrawOptions, type GenerateOptions, Generator } from "./generate.ts";
export { type EncodedImages, ImageCodec, type ImageModel } from "./imageCodec.ts";
export { autoencoderShapes, type LoadedImageModel, loadImageModel } from "./loadImageModel.ts";
export { checkSampling, type SamplingOptions, sampleToken } from "./sampleToken.ts";
