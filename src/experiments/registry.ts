import { ConfigError } from "../errors.ts";
import type { Experiment } from "./experiment.ts";

/** All experiments, loaded when they are asked for: name → module. */
const loaders: Readonly<Record<string, () => Promise<Experiment>>> = {
  "spectral-decay": async () => (await import("./spectralDecay.ts")).default,
  muon: async () => (await import("./muon.ts")).default,
  hessian: async () => (await import("./hessian.ts")).default,
  nope: async () => (await import("./nope.ts")).default,
  "batch-size": async () => (await import("./batchSize.ts")).default,
  "edge-of-stability": async () => (await import("./edgeOfStability.ts")).default,
  "carried-rates": async () => (await import("./carriedRates.ts")).default,
  epsilon: async () => (await import("./epsilon.ts")).default,
  "half-precision": async () => (await import("./halfPrecision.ts")).default,
  "lora-rates": async () => (await import("./loraRates.ts")).default,
  "data-efficiency": async () => (await import("./dataEfficiency.ts")).default,
  "multimodal-positions": async () => (await import("./multimodalPositions.ts")).default,
  "video-positions": async () => (await import("./videoPositions.ts")).default,
  "stream-positions": async () => (await import("./streamPositions.ts")).default,
  simvq: async () => (await import("./simvq.ts")).default,
  horizon: async () => (await import("./horizon.ts")).default,
  transfer: async () => (await import("./transfer.ts")).default,
  "newton-schulz": async () => (await import("./newtonSchulz.ts")).default,
};

export const experimentNames: readonly string[] = Object.keys(loaders);

/** @throws ConfigError if there is no experiment of this name */
export async function loadExperiment(name: string): Promise<Experiment> {
  const load = Object.hasOwn(loaders, name) ? loaders[name] : undefined;
  if (load === undefined) {
    throw new ConfigError(`experiment "${name}": expected one of ${experimentNames.join(", ")}`);
  }
  return load();
}
