import {
  finiteScalarQuantizer,
  lookupFreeQuantizer,
  type NearestCodeOptions,
  productQuantizer,
  type Quantizer,
  residualQuantizer,
  simVq,
  type VectorQuantizer,
  vectorQuantizer,
} from "../quantize/index.ts";
import type { QuantizerConfig, QuantizerPartConfig } from "./autoencoderConfig.ts";

/** A table of codes, and what training does to it besides its step. */
export interface Codebook {
  /** Its place among layers or parts; null if it is the whole quantizer. */
  readonly part: number | null;
  readonly quantizer: VectorQuantizer;
  readonly restartBelow: number | null;
  readonly initialization: "random" | "k-means";
  readonly search: NearestCodeOptions;
}

/** Components whose derivatives are rotated without a bound on their length. */
export interface RotatedRange {
  /** Of a product; null for the whole quantizer. */
  readonly part: number | null;
  readonly start: number;
  readonly end: number;
}

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
  /** Where `rotationWarning` may have something to say. */
  readonly rotated: readonly RotatedRange[];
  readonly combination: "residual" | "product" | null;
  /** Layers or parts; the quantizer itself where it has none. */
  readonly parts: readonly Quantizer[];
  /** Those whose dead codes can be replaced and first codes be found. */
  readonly codebooks: readonly Codebook[];
}

/** The range of a quantizer's components, if the rotation trick may lengthen their gradients; else nothing. */
function rotatedRange(
  { gradient, maxRatio }: { readonly gradient?: unknown; readonly maxRatio?: unknown },
  part: number | null,
  start: number,
  dim: number,
): RotatedRange[] {
  return gradient === "rotation" && maxRatio === undefined ? [{ part, start, end: start + dim }] : [];
}

/** An object without the keys whose value is undefined. */
function defined<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never;
}

function buildPart(config: QuantizerPartConfig): Quantizer {
  const { kind: _, ...options } = config;
  switch (config.kind) {
    case "vq": {
      const { initialization: _, restartBelow: __, ...own } = options as typeof config;
      return vectorQuantizer(defined(own) as never);
    }
    case "simvq":
      return simVq(defined(options) as never);
    case "fsq":
      return finiteScalarQuantizer(defined(options) as never);
    case "lfq":
      return lookupFreeQuantizer(defined(options) as never);
  }
}

/** @param parts - built, of the same length */
function codebooksOf(configs: readonly QuantizerPartConfig[], parts: readonly Quantizer[], isWhole: boolean) {
  return configs.flatMap((config, i): Codebook[] => {
    if (config.kind !== "vq") return [];
    const { initialization = "random", restartBelow = null, distance, budgetBytes } = config;
    const search = defined({ distance, budgetBytes });
    const quantizer = parts[i] as VectorQuantizer;
    return [{ part: isWhole ? null : i, quantizer, restartBelow, initialization, search }];
  });
}

const searched = (config: QuantizerPartConfig) =>
  config.kind === "vq" || config.kind === "simvq" ? config.numCodes : 0;

const isNoisy = ({ gradient }: { readonly gradient?: unknown }) => gradient === "diveq";

/** @throws ConfigError for options that can't be used together */
export function buildQuantizer(config: QuantizerConfig): BuiltQuantizer {
  switch (config.kind) {
    case "none":
      return {
        quantizer: null,
        dim: config.dim,
        numSearched: 0,
        needsKey: false,
        rotated: [],
        combination: null,
        parts: [],
        codebooks: [],
      };
    case "residual": {
      const { kind: _, layers, ...options } = config;
      const parts = layers.map(buildPart);
      const quantizer = residualQuantizer(parts, defined(options));
      const numSearched = layers.reduce((sum, layer) => sum + searched(layer), 0);
      const needsKey = isNoisy(config) || layers.some(isNoisy);
      const codebooks = codebooksOf(layers, parts, false);
      return {
        quantizer,
        dim: quantizer.dim,
        numSearched,
        needsKey,
        rotated: rotatedRange(options, null, 0, quantizer.dim),
        combination: "residual",
        parts,
        codebooks,
      };
    }
    case "product": {
      const parts = config.parts.map(buildPart);
      const quantizer = productQuantizer(parts);
      const numSearched = config.parts.reduce(
        (sum, part, i) => sum + (searched(part) * parts[i]!.dim) / quantizer.dim,
        0,
      );
      const needsKey = config.parts.some(isNoisy);
      const codebooks = codebooksOf(config.parts, parts, false);
      let start = 0;
      const rotated = config.parts.flatMap((part, i) => {
        start += parts[i]!.dim;
        return rotatedRange(part, i, start - parts[i]!.dim, parts[i]!.dim);
      });
      return {
        quantizer,
        dim: quantizer.dim,
        numSearched,
        needsKey,
        rotated,
        combination: "product",
        parts,
        codebooks,
      };
    }
    default: {
      const quantizer = buildPart(config);
      return {
        quantizer,
        dim: quantizer.dim,
        numSearched: searched(config),
        needsKey: isNoisy(config),
        rotated: rotatedRange(config, null, 0, quantizer.dim),
        combination: null,
        parts: [quantizer],
        codebooks: codebooksOf([config], [quantizer], true),
      };
    }
  }
}
