import {
  type NearestCodeOptions,
  type Quantizer,
  type QuantizerCombination,
  type QuantizerMethod,
  quantizerCombinations,
  quantizerMethods,
  type VectorQuantizer,
} from "../quantize/index.ts";
import { atPath } from "./atPath.ts";
import type { QuantizerConfig, QuantizerPartConfig } from "./quantizerSchema.ts";

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

const methodOf = ({ kind }: QuantizerPartConfig): QuantizerMethod => quantizerMethods[kind];

function buildPart(config: QuantizerPartConfig, path: string): Quantizer {
  const {
    kind: _,
    initialization: __,
    restartBelow: ___,
    ...options
  } = config as QuantizerPartConfig & {
    readonly initialization?: unknown;
    readonly restartBelow?: unknown;
  };
  return atPath(path, options, () => methodOf(config).make(options as never));
}

/** @param parts - built, of the same length */
function codebooksOf(configs: readonly QuantizerPartConfig[], parts: readonly Quantizer[], isWhole: boolean) {
  return configs.flatMap((config, i): Codebook[] => {
    if (!methodOf(config).hasCodebook) return [];
    const { initialization = "random", restartBelow = null, distance, budgetBytes } = config as VqConfig;
    const search = {
      ...(distance === undefined ? {} : { distance }),
      ...(budgetBytes === undefined ? {} : { budgetBytes }),
    };
    const quantizer = parts[i] as VectorQuantizer;
    return [{ part: isWhole ? null : i, quantizer, restartBelow, initialization, search }];
  });
}

type VqConfig = Extract<QuantizerPartConfig, { kind: "vq" }>;

const searched = (config: QuantizerPartConfig) => methodOf(config).numSearched(config);

const isNoisy = ({ gradient }: { readonly gradient?: unknown }) => gradient === "diveq";

/** @throws ConfigError for options that can't be used together, by their paths */
export function buildQuantizer(config: QuantizerConfig): BuiltQuantizer {
  if (config.kind === "none") {
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
  }
  if (config.kind === "residual" || config.kind === "product") return buildCombination(config);
  const quantizer = buildPart(config, "quantizer");
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

function buildCombination(
  config: Extract<QuantizerConfig, { kind: "residual" | "product" }>,
): BuiltQuantizer {
  const { list, make, divides }: QuantizerCombination = quantizerCombinations[config.kind];
  const {
    kind,
    [list]: listed,
    ...options
  } = config as Readonly<Record<string, unknown>> & {
    readonly kind: "residual" | "product";
  };
  const configs = listed as readonly QuantizerPartConfig[];
  const parts = configs.map((part, i) => buildPart(part, `quantizer.${list}.${i}`));
  const quantizer = atPath("quantizer", options, () => make(parts, options as never));
  const { dim } = quantizer;
  const share = (i: number) => (divides ? parts[i]!.dim / dim : 1);
  let start = 0;
  const rotatedParts = configs.flatMap((part, i) => {
    start += parts[i]!.dim;
    return rotatedRange(part, i, start - parts[i]!.dim, parts[i]!.dim);
  });
  return {
    quantizer,
    dim,
    numSearched: configs.reduce((sum, part, i) => sum + searched(part) * share(i), 0),
    needsKey: isNoisy(options) || configs.some(isNoisy),
    // Derivatives pass by each part's own way, or by that of the sum.
    rotated: divides ? rotatedParts : rotatedRange(options, null, 0, dim),
    combination: kind,
    parts,
    codebooks: codebooksOf(configs, parts, false),
  };
}
