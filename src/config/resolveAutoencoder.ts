import { ConfigError } from "../errors.ts";
import { type ImageAutoencoderConfig, resolveImageAutoencoder } from "../nn/index.ts";
import type { ImageShape } from "../quantize/index.ts";
import { atPath } from "./atPath.ts";
import { type BuiltQuantizer, buildQuantizer } from "./buildQuantizer.ts";
import type { AutoencoderConfig } from "./schema.ts";

/** An autoencoder with its quantizer, as a configuration describes them. */
export interface AutoencoderModel {
  readonly model: ImageAutoencoderConfig;
  readonly built: BuiltQuantizer;
}

/** Usage is counted code by code. */
const mostCodes = 2 ** 20;

/**
 * The model of a configuration, for images of a size.
 *
 * @throws ConfigError if sizes or options don't fit together
 */
export function resolveAutoencoder(config: AutoencoderConfig, image: ImageShape): AutoencoderModel {
  const built = buildQuantizer(config.quantizer);
  for (const size of built.quantizer?.codebookSizes ?? []) {
    if (size > mostCodes)
      throw new ConfigError(`config: quantizer: a codebook of ${size} codes: expected at most ${mostCodes}`);
  }
  const { encoder, reconstructionWeight } = config.model;
  const model = atPath("model.encoder", encoder, () =>
    resolveImageAutoencoder({
      image,
      encoder,
      dim: built.dim,
      ...(reconstructionWeight === undefined ? {} : { reconstructionWeight }),
    }),
  );
  return { model, built };
}
