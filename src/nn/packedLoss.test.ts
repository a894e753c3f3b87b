import assert from "node:assert/strict";
import { test } from "node:test";
import { grad, numpy as np, random, tree } from "@jax-js/jax";
import { crossEntropy } from "./crossEntropy.ts";
import { packedLoss, packedTransformer } from "./packedLoss.ts";
import { initTransformer, type TransformerParams, transformer } from "./transformer.ts";
import { resolveTransformerConfig, type TransformerOptions } from "./transformerConfig.ts";

const length = 9;
const documents = [
  [
    [3, 1, 4, 1],
    [5, 9, 2],
  ],
  [[6, 5, 3, 5, 8], [9], [7, 9]],
];
const ignored = -100;

const ints = (rows: readonly (readonly number[])[]) => np.array(rows as number[][], { dtype: np.int32 });
const padded = (values: readonly number[], fill: number) => [
  ...values,
  ...Array.from({ length: length - values.length }, () => fill),
];
const inputs = () => ints(documents.map((row) => padded(row.flat(), 0)));
const segments = () =>
  ints(
    documents.map((row) =>
      padded(
        row.flatMap((own, d) => own.map(() => d + 1)),
        0,
      ),
    ),
  );
const places = () =>
  ints(
    documents.map((row) =>
      padded(
        row.flatMap((own) => own.map((_, i) => i)),
        0,
      ),
    ),
  );
/** The last half of each document is learned: the next token is the same plus one. */
const targetsOf = (own: readonly number[]) =>
  own.map((id, i) => (2 * i + 1 >= own.length ? (id + 1) % 10 : ignored));
const targets = () => ints(documents.map((row) => padded(row.flatMap(targetsOf), ignored)));

const common = { vocabSize: 10, numLayers: 2, modelDim: 16, numHeads: 2, maxLength: 16, initStd: 0.3 };
const models: Readonly<Record<string, TransformerOptions>> = {
  rope: common,
  "rope with windows and layers without": {
    ...common,
    slidingWindow: 3,
    slidingLayers: [0],
    nopeLayers: [1],
  },
  learned: { ...common, position: "learned" },
  "learned, tied, soft caps": { ...common, position: "learned", tiedHead: true, logitSoftcap: 5 },
  none: { ...common, position: "none" },
};

const closeTo = (actual: ArrayLike<number>, expected: ArrayLike<number>, what: string) => {
  assert.equal(actual.length, expected.length, what);
  for (let i = 0; i < actual.length; i++)
    assert.ok(
      Math.abs(actual[i]! - expected[i]!) < 1e-4,
      `${what}: ${actual[i]} at ${i}, alone ${expected[i]}`,
    );
};

for (const [name, options] of Object.entries(models)) {
  test(`${name}: documents that share a row have the logits, the loss and the gradients that they have alone`, () => {
    const config = resolveTransformerConfig(options);
    const params = initTransformer(random.key(1), config);
    const packed = packedTransformer(
      tree.ref(params),
      { inputs: inputs(), segments: segments(), places: places() },
      config,
    );
    let counted = 0;
    for (const [r, row] of documents.entries()) {
      let start = 0;
      for (const own of row) {
        const alone = transformer(tree.ref(params), ints([own]), config).dataSync();
        const shared = packed.ref.slice(r, [start, start + own.length]).dataSync();
        closeTo(shared, alone, `row ${r}, from ${start}`);
        start += own.length;
        counted += targetsOf(own).filter((target) => target !== ignored).length;
      }
    }
    packed.dispose();
    const batch = () => ({ inputs: inputs(), targets: targets(), segments: segments(), places: places() });
    // The mean over all targets that count, each document on its own.
    const apart = (own: TransformerParams) =>
      documents
        .flat()
        .map((document) => {
          const ids = targetsOf(document);
          const share = ids.filter((target) => target !== ignored).length / counted;
          const logits = transformer(tree.ref(own), ints([document]), config);
          return crossEntropy(logits, ints([ids]), undefined, { ignoreIndex: ignored }).mul(share);
        })
        .reduce((a, b) => a.add(b));
    const expected = apart(params);
    closeTo(packedLoss(tree.ref(params), batch(), config).dataSync(), expected.dataSync(), "loss");
    const gradients = (loss: (own: TransformerParams) => np.Array) =>
      tree
        .leaves((grad(loss as never) as unknown as (own: TransformerParams) => never)(tree.ref(params)))
        .map((one) => (one as np.Array).dataSync());
    const [together, alone] = [gradients((own) => packedLoss(own, batch(), config)), gradients(apart)];
    for (const [i, one] of together.entries()) closeTo(one, alone[i]!, `gradient ${i}`);
    tree.dispose(params);
  });
}

test("a target outside of the vocabulary is an error, masked ones may be anything, and nothing to learn is 0", () => {
  const config = resolveTransformerConfig(common);
  const params = initTransformer(random.key(1), config);
  const loss = (ids: readonly number[]) =>
    packedLoss(
      tree.ref(params),
      { inputs: ints([[1, 2]]), targets: ints([ids]), segments: ints([[1, 1]]), places: ints([[0, 1]]) },
      config,
    ).dataSync()[0]!;
  assert.equal(loss([ignored, ignored]), 0);
  assert.ok(loss([ignored, 3]) > 0);
  assert.throws(() => loss([ignored, 10]), /target 10/);
  assert.throws(() => loss([-1, 3]), /target -1/);
});

test("positions that can't be kept apart are refused by name", () => {
  for (const position of ["alibi", "t5", "sinusoidal"] as const) {
    const config = resolveTransformerConfig({ ...common, position });
    const params = initTransformer(random.key(1), config);
    const of = { inputs: inputs(), segments: segments(), places: places() };
    assert.throws(
      () => packedTransformer(params, of, config),
      new RegExp(`position ${position}: .*expected one of rope`),
    );
  }
});
