import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseConfig, type TrainConfig } from "../../src/config/index.ts";

/** Training of a model so small that starting the process takes most of the time. */
export function chaosConfig(home: string): TrainConfig {
  const text = path.join(home, "text.txt");
  mkdirSync(home, { recursive: true });
  writeFileSync(text, "the whale and the sea, the ship and the wind. ".repeat(300));
  return parseConfig({
    name: "chaos",
    model: { numLayers: 1, modelDim: 8, numHeads: 1, maxLength: 32 },
    data: { source: text },
    optimizer: { kind: "adamw", learningRate: 0.01 },
    training: {
      steps: 60,
      batchSize: 2,
      length: 16,
      evalEvery: 20,
      evalBatches: 1,
      sampleTokens: 0,
      checkpointEvery: 4,
      keepCheckpoints: 2,
      logEvery: 3,
      threads: 1,
    },
  });
}
