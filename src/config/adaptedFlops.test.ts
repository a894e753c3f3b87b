import assert from "node:assert/strict";
import { test } from "node:test";
import { flopsPerToken, resolveTransformerConfig } from "../nn/index.ts";
import { adaptationOf } from "./adaptation.ts";
import { adaptedFlopsPerToken } from "./adaptedFlops.ts";
import { transformerShapes } from "./model.ts";
import { parseLanguageConfig } from "./parseConfig.ts";
import { flatTypes } from "./testing/flatTypes.ts";

test("frozen matrices have no gradient of their own, blocks below the lowest trained one no backward pass", () => {
  const options = { numLayers: 3, modelDim: 8, numHeads: 2, mlp: "relu2", vocabSize: 16 } as const;
  const model = resolveTransformerConfig(options);
  const length = 5;
  const of = (own: object) => {
    const config = parseLanguageConfig({
      model: options,
      from: { run: "a", step: 1 },
      data: { tokenizer: "model" },
      optimizer: { kind: "adamw" },
      training: { steps: 1, batchSize: 1, length },
      ...own,
    });
    const adaptation = adaptationOf(config, flatTypes(transformerShapes(model)));
    return adaptedFlopsPerToken(model, length, adaptation);
  };
  // Elements of a block's matrices, of the head, and what attention costs forward.
  const [block, head, attention] = [4 * 8 * 8 + 2 * 8 * 32, 8 * 16, 4 * length * 8];
  assert.equal(of({}), flopsPerToken(model, length));
  assert.equal(of({}), 3 * (6 * block + 3 * attention) + 6 * head);
  // LoRA of rank 2 on two matrices of each block: 2·(8 + 8) and 2·(8 + 32) elements.
  const changes = 2 * (8 + 8) + 2 * (8 + 32);
  assert.equal(
    of({ lora: { rank: 2, targets: ["wq", "up"] } }),
    3 * (4 * block + 6 * changes + 3 * attention) + 4 * head,
  );
  // Of the last block one matrix is trained: the first two only go forward.
  const frozen = [
    { match: "**", train: false },
    { match: "blocks.2.mlp.down", train: true },
  ];
  assert.equal(
    of({ parameters: frozen }),
    2 * (2 * block + attention) + (4 * block + 2 * 8 * 32 + 3 * attention) + 4 * head,
  );
  // The head alone: a matrix has nothing below it that needs its inputs' gradient, which is counted all the same.
  const onlyHead = [
    { match: "**", train: false },
    { match: "head", train: true },
  ];
  assert.equal(of({ parameters: onlyHead }), 3 * (2 * block + attention) + 6 * head);
});
