import assert from "node:assert/strict";
import { test } from "node:test";
import { numpy as np, tree } from "@jax-js/jax";
import { resolveTransformerConfig } from "../nn/index.ts";
import { Adaptation } from "./adaptation.ts";
import { buildOptimizer } from "./buildOptimizer.ts";
import { transformerShapes } from "./model.ts";
import { parseLanguageConfig } from "./parseConfig.ts";
import { flatTypes } from "./testing/flatTypes.ts";

const model = { numLayers: 2, modelDim: 8, numHeads: 2, mlp: "swiglu" as const };
const shapes = transformerShapes(resolveTransformerConfig({ ...model, vocabSize: 16 }));
const base = flatTypes(shapes);
const configOf = (own: object) =>
  parseLanguageConfig({
    model,
    from: { run: "a", step: 1 },
    data: { tokenizer: "model" },
    optimizer: { kind: "adamw", learningRate: 0.1, weightDecay: 0 },
    training: { steps: 4, batchSize: 1, length: 4 },
    ...own,
  });
const adaptation = (own: object) => new Adaptation(configOf(own), base);

test("with LoRA its matrices are trained, and what rules add; without it all but what they freeze", () => {
  const lora = adaptation({ lora: { rank: 2, targets: ["wq", "down"] } });
  assert.deepEqual(
    [...lora.trained].map(([name, { shape }]) => [name, shape.join()]),
    [0, 1].flatMap((layer) => [
      [`lora.blocks.${layer}.attention.wq.a`, "8,2"],
      [`lora.blocks.${layer}.attention.wq.b`, "2,8"],
      [`lora.blocks.${layer}.mlp.down.a`, "24,2"],
      [`lora.blocks.${layer}.mlp.down.b`, "2,8"],
    ]),
  );
  assert.deepEqual([...lora.frozen.keys()], [...base.keys()]);
  const more = adaptation({
    lora: { rank: 2, targets: ["wq"] },
    parameters: [{ match: "**.mlpNorm.**", train: true }],
  });
  assert.equal(more.trained.size, 4 + 2);
  const frozen = adaptation({
    parameters: [
      { match: "**", train: false },
      { match: "blocks.1.**", train: true },
      { match: "blocks.*.attention.w*", train: false },
    ],
  });
  const blocks = [...base.keys()].filter(
    (name) => name.startsWith("blocks.1.") && !/attention\.w/.test(name),
  );
  assert.deepEqual([...frozen.trained.keys()], blocks);
  assert.equal(frozen.trained.size + frozen.frozen.size, base.size);
});

test("rules that do nothing, or what can't be, are named", () => {
  for (const [own, message] of [
    [{ parameters: [{ match: "block.**", train: false }] }, /match "block\.\*\*": is of no parameter/],
    [{ parameters: [{ match: "**", train: false }] }, /nothing is left to train/],
    [
      { lora: { targets: ["wq"] }, parameters: [{ match: "**.wq", train: true }] },
      /blocks\.0\.attention\.wq is to be trained, and LoRA changes it/,
    ],
    [
      { lora: {}, parameters: [{ match: "lora.**.up.*", train: false }] },
      /isn't to be trained: leave it out of lora\.targets/,
    ],
    [{ lora: { rank: 9 } }, /lora\.rank 9: expected at most 8/],
  ] as const)
    assert.throws(() => adaptation(own), message);
  assert.throws(
    () =>
      parseLanguageConfig({
        model,
        lora: {},
        optimizer: { kind: "adamw" },
        training: { steps: 1, batchSize: 1, length: 4 },
      }),
    /lora: changes a model: expected from/,
  );
  for (const optimizer of [{ kind: "schedule-free-adamw" }, { kind: "muonclip" }])
    assert.throws(
      () =>
        configOf({
          optimizer,
          model: { ...model, qkNorm: false },
          parameters: [{ match: "**", learningRateFactor: 2 }],
        }),
      /learningRateFactor has no meaning for optimizer\.kind/,
    );
});

test("a rule's factor is one on the learning rate: three steps of it are those of another rate", () => {
  const moved = (own: object) => {
    const { transformation } = buildOptimizer(configOf(own));
    let params = { "lora.x.a": np.array([1, 2]), "lora.x.b": np.array([3, 4]) };
    let state = transformation.init(tree.ref(params));
    for (let step = 0; step < 3; step++) {
      const gradients = { "lora.x.a": np.array([0.5, -step]), "lora.x.b": np.array([step, 1]) };
      const [updates, next] = transformation.update(gradients, state, tree.ref(params));
      state = next;
      params = tree.map((p: np.Array, u: np.Array) => p.add(u), params, updates) as typeof params;
    }
    return { a: params["lora.x.a"].js() as number[], b: params["lora.x.b"].js() as number[] };
  };
  const plain = moved({});
  const raised = moved({ parameters: [{ match: "lora.**.b", learningRateFactor: 4 }] });
  const fast = moved({ optimizer: { kind: "adamw", learningRate: 0.4, weightDecay: 0 } });
  assert.deepEqual(raised.a, plain.a);
  for (const [i, value] of raised.b.entries()) assert.ok(Math.abs(value - fast.b[i]!) < 1e-6);
  assert.ok(Math.abs(raised.b[0]! - plain.b[0]!) > 0.1);
});

test("a rule says what decays; without, arrays of two axes do", () => {
  const moved = (optimizer: object, parameters: object[]) => {
    const { transformation, decayOf } = buildOptimizer(configOf({ optimizer, parameters }));
    const params = { norm: np.array([2, 2]), mlp: { up: np.array([[2], [2]]), down: np.array([[2, 2]]) } };
    const zeros = { norm: np.zeros([2]), mlp: { up: np.zeros([2, 1]), down: np.zeros([1, 2]) } };
    const [updates] = transformation.update(zeros, transformation.init(tree.ref(params)), params);
    const leaves = { norm: updates.norm, up: updates.mlp.up, down: updates.mlp.down };
    const decayed = Object.entries(leaves).filter(([, array]) =>
      array
        .js()
        .flat(2)
        .some((x: number) => x !== 0),
    );
    const said = ["norm", "mlp.up", "mlp.down"].filter(
      (own) => decayOf(own, own === "norm" ? [2] : [2, 2]) !== "",
    );
    assert.deepEqual(
      said.map((own) => own.split(".").at(-1)),
      decayed.map(([own]) => own),
    );
    return said;
  };
  const adamw = { kind: "adamw", learningRate: 0.1, weightDecay: 0.5 };
  const muon = { kind: "muon", learningRate: 0.1, weightDecay: 0.5, adamw: { weightDecay: 0.5 } };
  for (const optimizer of [adamw, muon]) {
    assert.deepEqual(moved(optimizer, []), ["mlp.up", "mlp.down"]);
    assert.deepEqual(moved(optimizer, [{ match: "**", decays: true }]), ["norm", "mlp.up", "mlp.down"]);
    const rules = [
      { match: "norm", decays: true },
      { match: "mlp.*", decays: false },
      { match: "mlp.down", decays: true },
    ];
    assert.deepEqual(moved(optimizer, rules), ["norm", "mlp.down"]);
  }
});
