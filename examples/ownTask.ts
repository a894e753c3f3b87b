// A task of your own, a transformer that learns to write six digits in reverse: as a program, or as the module of a configuration.
//
// node examples/ownTask.ts [steps]
import { numpy as np, random } from "@jax-js/jax";
import { uniformSampler } from "rotor";
import { parseConfig } from "rotor/config";
import * as nn from "rotor/nn";
import type { OwnTask } from "rotor/tasks";
import { trainRun } from "rotor/train";

const model = nn.resolveTransformerConfig({ vocabSize: 11, numLayers: 2, modelDim: 64, numHeads: 4 });
const { crossEntropy, transformer } = nn;

const task: OwnTask = {
  init: (seed) => nn.initTransformer(random.key(seed), model),
  // Digits, a stop (token 10) and the digits in reverse: what follows the stop is to be told.
  batch(indices, split) {
    const rows = indices.map((index) => {
      const draw = uniformSampler(2 * index + (split === "train" ? 0 : 1));
      const digits = Array.from({ length: 6 }, () => Math.floor(10 * draw()));
      return [...digits, 10, ...digits.toReversed()];
    });
    return { tokens: np.array(rows, { dtype: np.int32 }) };
  },
  loss(params: nn.TransformerParams, { tokens }: { tokens: np.Array }) {
    const logits = transformer(params, tokens.ref.slice([], [0, 12]), model).slice([], [6, 12]);
    return crossEntropy(logits, tokens.slice([], [7, 13]));
  },
  metrics(params: nn.TransformerParams, { tokens }: { tokens: np.Array }) {
    const logits = transformer(params, tokens.ref.slice([], [0, 12]), model).slice([], [6, 12]);
    return {
      right: np
        .argmax(logits, -1)
        .equal(tokens.slice([], [7, 13]))
        .astype(np.float32)
        .mean(),
    };
  },
  numExamples: { train: null, validation: 256 },
};
export default task;

if (import.meta.main) {
  const training = { steps: Number(process.argv[2] ?? 200), batchSize: 64 };
  const config = parseConfig({
    task: "own",
    optimizer: { kind: "muon", adamw: { learningRate: 0.003 } },
    training,
  });
  const { right } = (await trainRun({ task, config })).validation!.metrics;
  console.log(`${Math.round(100 * right!)} % of the digits are right`);
  if (right! < 0.9) process.exitCode = 1;
}
