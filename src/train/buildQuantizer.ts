import {
  finiteScalarQuantizer,
  lookupFreeQuantizer,
  productQuantizer,
  type Quantizer,
  residualQuantizer,
  simVq,
  type VectorQuantizer,
  vectorQuantizer,
} from "../quantize/index.ts";
import type { QuantizerConfig, QuantizerPartConfig } from "./autoencoderConfig.ts";

/** A quantizer with what training does besides its step. */
export interface BuiltQuantizer {
  /** Null for an autoencoder without one. */
  readonly quantizer: Quantizer | null;
  /** `D`, size of a latent vector. */
  readonly dim: number;
  /** Codes that a search goes through, scaled by the share of the components that it compares. */
  readonly numSearched: number;
  /** Whether it draws noise, and needs a random key. */
  readonly needsKey: boolean;
  /** How dead codes are replaced and first codes are found; null for quantizers that can't. */
  readonly vq: {
    readonly quantizer: VectorQuantizer;
    readonly restartBelow: number | null;
    readonly initialization: "random" | "k-means";
    readonly distance: "euclidean" | "cosine";
  } | null;
}

/** An object without the keys whose value is undefined. */
function defined<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never;
}

function buildPart(config: QuantizerPartConfig): Quantizer {
  const { kind: _, ...options } = config;
  switch (config.kind) {
    case "vq":
      return vectorQuantizer(defined(options) as never);
    case "simvq":
      return simVq(defined(options) as never);
    case "fsq":
      return finiteScalarQuantizer(defined(options) as never);
    case "lfq":
      return lookupFreeQuantizer(defined(options) as never);
  }
}

const searched = (config: QuantizerPartConfig) =>
  config.kind === "vq" || config.kind === "simvq" ? config.numCodes : 0;

const isNoisy = ({ gradient }: { readonly gradient?: unknown }) => gradient === "diveq";

/** @throws ConfigError for options that can't be used together */
export function buildQuantizer(config: QuantizerConfig): BuiltQuantizer {
  switch (config.kind) {
    case "none":
      return { quantizer: null, dim: config.dim, numSearched: 0, needsKey: false, vq: null };
    case "vq": {
      const { initialization, restartBelow, ...options } = config;
      const quantizer = buildPart(options) as VectorQuantizer;
      const { dim, numCodes, distance = "euclidean" } = config;
      return {
        quantizer,
        dim,
        numSearched: numCodes,
        needsKey: isNoisy(config),
        vq: { quantizer, restartBelow, initialization, distance },
      };
    }
    case "residual": {
      const { kind: _, layers, ...options } = config;
      const quantizer = residualQuantizer(layers.map(buildPart), defined(options));
      const numSearched = layers.reduce((sum, layer) => sum + searched(layer), 0);
      const needsKey = isNoisy(config) || layers.some(isNoisy);
      return { quantizer, dim: quantizer.dim, numSearched, needsKey, vq: null };
    }
    case "product": {
      const parts = config.parts.map(buildPart);
      const quantizer = productQuantizer(parts);
      const numSearched = config.parts.reduce(
        (sum, part, i) => sum + (searched(part) * parts[i]!.dim) / quantizer.dim,
        0,
      );
      const needsKey = config.parts.some(isNoisy);
      return { quantizer, dim: quantizer.dim, numSearched, needsKey, vq: null };
    }
    default: {
      const quantizer = buildPart(config);
      return {
        quantizer,
        dim: quantizer.dim,
        numSearched: searched(config),
        needsKey: isNoisy(config),
        vq: null,
      };
    }
  }
}
