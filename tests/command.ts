import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { type Image, writePng } from "../src/data/index.ts";

/** The command as a file. */
export const main = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder that is deleted when it goes out of scope. */
export function temporaryFolder(): { path: string } & Disposable {
  const folder = mkdtempSync(path.join(tmpdir(), "rotor-test-"));
  return {
    path: folder,
    [Symbol.dispose]() {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Starts the real command in a folder: the clone's, or another file of it. */
export function start(
  folder: string,
  args: readonly string[],
  program = main,
): { child: ChildProcess; finished: Promise<Finished> } {
  const child = spawn(process.execPath, [program, ...args], {
    cwd: folder,
    env: { ...process.env, NO_COLOR: "1", ROTOR_HOME: undefined, NODE_OPTIONS: undefined },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  child.stdout!.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const finished = new Promise<Finished>((resolve) => {
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return { child, finished };
}

export function rotor(folder: string, ...args: string[]): Promise<Finished> {
  return start(folder, args).finished;
}

/** Some kilobytes of text that a byte model can learn something from. */
export function exampleText(): string {
  const words = ["whale", "sea", "ship", "captain", "wind", "harpoon", "deck", "night", "storm", "crew"];
  let state = 7;
  return Array.from({ length: 4000 }, () => {
    state = (state * 48271) % 2147483647;
    return words[state % words.length];
  }).join(" ");
}

/** Writes a text and a configuration that trains on it in about a second; returns the configuration's path. */
export function writeMicroConfig(folder: string, overrides: Record<string, unknown> = {}): string {
  writeFileSync(path.join(folder, "text.txt"), exampleText());
  const config = {
    name: "micro",
    model: { numLayers: 1, modelDim: 16, numHeads: 2, maxLength: 64 },
    data: { source: "text.txt", tokenizer: "bytes" },
    optimizer: { kind: "muon", adamw: { learningRate: 0.02 } },
    training: {
      steps: 20,
      batchSize: 4,
      length: 16,
      evalBatches: 2,
      sampleTokens: 8,
      threads: 1,
      logEvery: 5,
    },
    ...overrides,
  };
  const file = path.join(folder, "micro.json");
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, JSON.stringify(config));
  return file;
}

/** A grey image with a bright spot. */
export function spot(height: number, width: number, seed: number): Image {
  const pixels = new Uint8Array(height * width);
  const [top, left] = [(seed * 7) % height, (seed * 5) % width];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++)
      pixels[y * width + x] = 250 * Math.exp(-((y - top) ** 2 + (x - left) ** 2) / 8);
  }
  return { height, width, channels: 1, pixels };
}

/** Images of 8 × 8 and a configuration that trains on them in about a second. */
export async function writeMicroImages(
  folder: string,
  overrides: Record<string, unknown> = {},
): Promise<string> {
  for (let i = 0; i < 24; i++) {
    await writePng(path.join(folder, "images", i % 4 === 0 ? "inner" : "", `i${i}.png`), spot(8, 8, i));
  }
  const config = {
    name: "micro-vq",
    task: "autoencoder",
    model: { encoder: { kind: "convolutional", channels: [8], numBlocks: 0 } },
    quantizer: { kind: "simvq", numCodes: 20, dim: 4 },
    data: { source: "images", size: 8, colours: "grey", validationFraction: 0.25 },
    optimizer: { kind: "adamw", learningRate: 0.01, weightDecay: 0 },
    training: { steps: 10, batchSize: 6, threads: 1, checkpointEvery: 5 },
    ...overrides,
  };
  const file = path.join(folder, "micro-vq.json");
  writeFileSync(file, JSON.stringify(config));
  return file;
}
