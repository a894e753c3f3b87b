import { numpy as np } from "@jax-js/jax";
import { compile, EngineArray, type EnginePlacement } from "../compile/index.ts";
import { type ImageSet, writeOutput } from "../data/index.ts";
import { ConfigError } from "../errors.ts";
import {
  CodeUsage,
  meanSquaredError,
  searchRanges,
  squaresToNearest,
  type UsageSummary,
} from "../quantize/index.ts";
import { RunStore } from "../runs/index.ts";
import { ImageCodec, type ImageModel, loadImageModel } from "../sample/index.ts";
import { openConfiguredImages } from "../tasks/index.ts";
import { codebookSvg, drawHistogram } from "./codebookDrawing.ts";
import { short, table } from "./format.ts";
import { type PlacementFlags, placementFor } from "./placementFor.ts";
import { out, print, warn } from "./print.ts";
import { style } from "./style.ts";

export interface CodebookFlags extends PlacementFlags {
  readonly part: string;
  readonly svg?: string;
  readonly json?: boolean;
  readonly checkpoint?: number;
  readonly home: string;
}

interface CodebookUsage extends UsageSummary {
  readonly numCodes: number;
  /** Codes without a hit. */
  readonly dead: number;
  /** Hits per code. */
  readonly histogram: readonly number[];
}

interface CodebookReport {
  readonly run: string;
  readonly step: number;
  readonly part: string;
  readonly images: number;
  readonly vectors: number;
  /** Of pixels from 0 to 255. */
  readonly psnr: number;
  readonly codebooks: readonly CodebookUsage[];
  /** Euclidean; only where a vector has one code. */
  readonly distances: {
    readonly toNearestCode: number;
    readonly toNearestVector: number;
    readonly betweenMeans: number;
  } | null;
}

const parts = ["train", "validation"] as const;

/** Vectors that distances are measured with: the search from codes to vectors takes `codes · vectors` products. */
const mostVectors = 16_384;

/** `rotor codebook`: how a run's codes are used on its images. */
export async function codebookCommand(reference: string, flags: CodebookFlags): Promise<number> {
  const part = parts.find((name) => name === flags.part);
  if (part === undefined) throw new ConfigError(`--part ${flags.part}: expected ${parts.join(" or ")}`);
  using store = new RunStore(flags.home, { readOnly: true });
  const loaded = await loadImageModel(store, store.getRun(reference), flags.checkpoint, warn);
  const images = (await openConfiguredImages(loaded.config))[part];
  const placement = await placementFor(loaded.config, flags);
  const codec = new ImageCodec(loaded.model, placement);
  try {
    const measured = await measureCodebooks(codec, images, placement);
    const report: CodebookReport = { run: loaded.run.id, step: loaded.step, part, ...measured };
    if (flags.svg !== undefined) {
      const title = `Codes of ${loaded.run.name} on ${report.images} images`;
      writePicture(
        flags.svg,
        codebookSvg(
          title,
          report.codebooks.map(({ histogram }) => histogram),
        ),
      );
    }
    if (flags.json === true) out(JSON.stringify(report));
    else print(describe(report));
    if (flags.svg !== undefined && flags.json !== true) out(`wrote ${flags.svg}`);
    return 0;
  } finally {
    await codec.dispose();
  }
}

async function measureCodebooks(
  codec: ImageCodec,
  images: ImageSet,
  placement: EnginePlacement,
): Promise<Omit<CodebookReport, "run" | "step" | "part">> {
  const { quantizer } = codec.model;
  const { codes, latents } = await codec.encode(images);
  const decoded = await codec.decode(codes);
  const numParts = quantizer.codebookSizes.length;
  const codebooks = quantizer.codebookSizes.map((numCodes, i): CodebookUsage => {
    const usage = new CodeUsage(numCodes);
    const summary = usage.add(codes.filter((_, at) => at % numParts === i));
    return { numCodes, ...summary, dead: numCodes - summary.numUsed, histogram: [...usage.histogram] };
  });
  return {
    images: images.count,
    vectors: codes.length / numParts,
    psnr: 10 * Math.log10(255 ** 2 / meanSquaredError(images.pixels, decoded.pixels)),
    codebooks,
    distances: numParts === 1 ? await distances(codec.model, latents, placement) : null,
  };
}

async function distances(model: ImageModel, latents: Float32Array, placement: EnginePlacement) {
  const { quantizer, variables, config } = model;
  const { dim } = config.latent;
  const [numCodes] = quantizer.codebookSizes as [number];
  const numVectors = latents.length / dim;
  const taken = Math.min(mostVectors, numVectors);
  const vectors = new Float32Array(taken * dim);
  for (let i = 0; i < taken; i++) {
    const from = Math.floor((i * numVectors) / taken) * dim;
    vectors.set(latents.subarray(from, from + dim), i * dim);
  }
  await using table = compile(
    (params: unknown, state: unknown) => quantizer.decode(params, state, np.arange(numCodes)),
    { ...placement, name: "codes" },
  );
  const { params, state } = variables;
  const codes = (await (await table(params.quantizer, state)).data()) as Float32Array<ArrayBuffer>;
  await using measure = compile(squaresToNearest, { ...placement, name: "distances" });
  const toNearest = async (from: Float32Array<ArrayBuffer>, to: Float32Array<ArrayBuffer>) => {
    const [count, others] = [from.length / dim, to.length / dim];
    let squares = 0;
    for (const [start, end] of searchRanges(count, others)) {
      const piece = EngineArray.from(from.slice(start * dim, end * dim), [end - start, dim]);
      const out = await measure(piece, EngineArray.from(to, [others, dim]));
      squares += (await out.data())[0]!;
    }
    return Math.sqrt(squares / count);
  };
  const mean = (values: Float32Array, i: number) => {
    let sum = 0;
    for (let at = i; at < values.length; at += dim) sum += values[at]!;
    return (sum * dim) / values.length;
  };
  return {
    toNearestCode: await toNearest(vectors, codes),
    toNearestVector: await toNearest(codes, vectors),
    betweenMeans: Math.hypot(...Array.from({ length: dim }, (_, i) => mean(vectors, i) - mean(codes, i))),
  };
}

function describe(report: CodebookReport): string {
  const { codebooks, distances: measured } = report;
  const rows = codebooks.map(({ numCodes, numUsed, usage, perplexity, dead }, i) => [
    i + 1,
    numCodes,
    numUsed,
    `${(100 * usage).toFixed(1)} %`,
    short(perplexity, 4),
    dead,
  ]);
  const lines = [
    style.bold(
      `codes of run ${report.run}, step ${report.step}, on ${report.images} images (${report.part}, ${report.vectors} vectors)`,
    ),
    table([["codebook", "codes", "used", "usage", "perplexity", "dead"], ...rows]),
    "",
    ...codebooks.flatMap(({ histogram }, i) => [
      codebooks.length === 1 ? "hits per code" : `hits per code of codebook ${i + 1}`,
      drawHistogram(histogram),
      "",
    ]),
    `PSNR of the reconstructions ${report.psnr.toFixed(2)} dB`,
  ];
  if (measured !== null) {
    lines.push(
      `distance of a vector to its nearest code ${short(measured.toNearestCode)}, of a code to its nearest vector ${short(measured.toNearestVector)} (root mean squares), between means ${short(measured.betweenMeans)}`,
    );
  }
  return `${lines.join("\n")}\n`;
}

function writePicture(file: string, text: string): void {
  writeOutput(file, text);
}
