import type { ImageAutoencoderConfig } from "./imageAutoencoder.ts";
import { flopsPerToken } from "./transformerConfig.ts";

/**
 * Floating-point operations of one training step per image: 6 per multiplication of the maps (2 forward, 4 backward), attention as in
 * {@link flopsPerToken}, and 2 per component for the search of the nearest of all codes, which has no backward pass.
 *
 * @param numCodes - codes that a search goes through, all codebooks together; 0 without a search
 *
 * @example
 * ```ts
 * const config = resolveImageAutoencoder({
 *   image: { height: 28, width: 28 },
 *   encoder: { kind: "convolutional", channels: [8, 16], numBlocks: 1 },
 *   dim: 4,
 * });
 * // A codebook of 512 codes adds its search: 2 · 512 codes · 4 components · 49 places.
 * flopsPerImage(config, 512) - flopsPerImage(config, 0); // => 200704
 * ```
 */
export function flopsPerImage(config: ImageAutoencoderConfig, numCodes: number): number {
  const { image, encoder, latent } = config;
  const places = latent.height * latent.width;
  const search = 2 * numCodes * latent.dim * places;
  // Encoder and decoder mirror each other.
  if (encoder.kind === "patch") {
    const { transformer, patchSize } = encoder;
    const borders = transformer.modelDim * (patchSize ** 2 * image.channels + latent.dim);
    const perPlace = 6 * borders + flopsPerToken({ ...transformer, vocabSize: 0 }, places);
    return 2 * places * perPlace + search;
  }
  const { channels, numBlocks } = encoder;
  let products = latent.dim * channels.at(-1)! * places;
  channels.forEach((width, i) => {
    const pixels = (image.height * image.width) / 4 ** (i + 1);
    const resize = 4 * (channels[i - 1] ?? image.channels) * width;
    products += pixels * (resize + numBlocks * (3 * 3 + 1) * width ** 2);
  });
  return 2 * 6 * products + search;
}
