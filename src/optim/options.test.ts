import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { jit } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import {
  type AdaBeliefOptions,
  type AdaMuonOptions,
  type AdamOptions,
  type AdamWOptions,
  type AdoptOptions,
  adabelief,
  adam,
  adamuon,
  adamw,
  adopt,
  type DionOptions,
  dion,
  type GradientTransformation,
  type LionOptions,
  lion,
  type MuonClipOptions,
  type MuonOptions,
  muon,
  muonClip,
  muonRule,
  type NorMuonOptions,
  normuon,
  type OptimizerMethod,
  optimizerMethods,
  type PartitionRule,
  type PbsgdOptions,
  pbsgd,
  type RmspropOptions,
  rmsprop,
  type ScheduleFreeAdamWOptions,
  type SgdOptions,
  type ShampooOptions,
  type SignumOptions,
  type SoapOptions,
  scaleByAdam,
  scaleByMuon,
  scaleByPower,
  scaleByShampoo,
  scaleBySoftsign,
  scheduleFreeAdamw,
  sgd,
  shampoo,
  shampooRule,
  signum,
  soap,
  type TigerOptions,
  tiger,
  type WeightDecay,
  warmupCosine,
} from "./index.ts";
import { every, largestDifference, optimize } from "./testing/reference.ts";

/** Changed values of every option: the type asks for a row for each. */
type Changes<Options> = { readonly [Key in keyof Required<Options>]: readonly Options[Key][] };

const withoutTall = (path: string) => path !== "tall";
/** Decays of matrices that differ from none, and from each other. */
const matrixDecay: readonly WeightDecay[] = [
  { kind: "frobenius", strength: 1 },
  { kind: "spectral", strength: 1 },
];

/** Optimizers whose options are tested, one by one. */
const tested = new Set<string>();

function everyOption<Options extends object>(
  make: (options: Options) => GradientTransformation,
  base: Options,
  changes: Changes<Options>,
  names = every,
): void {
  tested.add(make.name.toLowerCase());
  describe(make.name, () => {
    const run = (options: Options) => {
      const transformation = make(options);
      return optimize(names, transformation, jit(transformation.update as never) as never, 10);
    };
    const unchanged = run(base);
    for (const [key, values] of Object.entries<readonly unknown[]>(changes)) {
      values.forEach((value) => {
        const shown = typeof value === "function" ? "function" : JSON.stringify(value);
        test(`${key}: ${shown}`, () => {
          const difference = largestDifference(run({ ...base, [key]: value }), unchanged);
          // Rounding moves the weights by less than 1e-5 in ten steps.
          assert.ok(difference > 2e-4, `${difference}`);
        });
      });
    }
  });
}

describe("every option changes the result:", () => {
  const adamBase = { learningRate: 0.03, b1: 0.8, b2: 0.95, eps: 1e-3, weightDecay: 0.1 };
  const adamChanges = {
    learningRate: [0.002],
    b1: [0.5],
    b2: [0.5],
    eps: [0.5],
    epsRoot: [0.05],
    weightDecay: [0.5],
    matrixDecay,
    mask: [withoutTall],
  };
  everyOption<SgdOptions>(
    sgd,
    { learningRate: 0.05, momentum: 0.9, weightDecay: 0.1 },
    {
      learningRate: [0.01],
      momentum: [0, 0.5],
      nesterov: [true],
      weightDecay: [0],
      matrixDecay,
      mask: [withoutTall],
    },
  );
  everyOption<SignumOptions>(
    signum,
    { learningRate: 0.01, weightDecay: 0.1 },
    {
      learningRate: [0.002],
      momentum: [0.2],
      weightDecay: [0.5],
      eps: [0.1],
      matrixDecay,
      mask: [withoutTall],
    },
  );
  everyOption<RmspropOptions>(
    rmsprop,
    { learningRate: 0.01, weightDecay: 0.1 },
    {
      learningRate: [0.002],
      decay: [0.5],
      eps: [0.1],
      epsRoot: [0.1],
      centered: [true],
      momentum: [0.5],
      weightDecay: [0.5],
      matrixDecay,
      mask: [withoutTall],
    },
  );
  everyOption<AdamOptions>(adam, adamBase, adamChanges);
  everyOption<AdamWOptions>(adamw, adamBase, adamChanges);
  everyOption<AdaBeliefOptions>(adabelief, adamBase, adamChanges);
  everyOption<LionOptions>(
    lion,
    { learningRate: 0.01, weightDecay: 0.1 },
    {
      learningRate: [0.002],
      b1: [0.2],
      b2: [0.2],
      weightDecay: [0.5],
      matrixDecay,
      mask: [withoutTall],
    },
  );
  everyOption<TigerOptions>(
    tiger,
    { learningRate: 0.02 },
    { learningRate: [0.002], momentum: [0.2], weightDecay: [0.5], matrixDecay, mask: [withoutTall] },
  );
  everyOption<PbsgdOptions>(
    pbsgd,
    { learningRate: 0.02, momentum: 0.5, weightDecay: 0.1 },
    {
      learningRate: [0.002],
      power: [0, 0.3, 1],
      momentum: [0, 0.9],
      weightDecay: [0.5],
      matrixDecay,
      mask: [withoutTall],
    },
  );
  everyOption<ShampooOptions>(
    shampoo,
    { learningRate: 0.05, momentum: 0.5, eps: 1e-2, weightDecay: 0.1, adamw: { learningRate: 0.01 } },
    {
      learningRate: [0.01],
      b2: [0, 0.9],
      eps: [0.1],
      // Raised eigenvalues, or a ridge under all of them.
      method: ["eigen"],
      momentum: [0, 0.9],
      weightDecay: [0.5],
      matrixDecay,
      mask: [withoutTall],
      adamw: [{ learningRate: 0.1 }],
      rule: [(path, shape) => (path === "tall" ? { group: "adamw", reason: "" } : shampooRule(path, shape))],
    },
  );
  everyOption<MuonOptions>(
    muon,
    { learningRate: 0.005, momentum: 0.9, weightDecay: 0.1 },
    {
      learningRate: [0.002],
      momentum: [0.5],
      nesterov: [false],
      weightDecay: [0.5],
      matrixDecay,
      mask: [withoutTall],
      steps: [2],
      eps: [1],
      coefficients: ["taylor", "polar-express"],
      scale: ["match-adamw-rms", "spectral", "none"],
      method: ["exact"],
      matrixLayout: ["fanOut-fanIn"],
      matrixAxes: [(path) => (path === "tall" ? { batch: [], fanIn: [1], fanOut: [0] } : null)],
      split: [(path) => (path === "tall" ? { axis: 0, sizes: [2, 4] } : null)],
      adamw: [{ learningRate: 0.1 }],
      rule: [(path, shape) => (path === "tall" ? { group: "adamw", reason: "" } : muonRule(path, shape))],
    },
  );
  everyOption<AdoptOptions>(
    adopt,
    { learningRate: 0.02, b2: 0.95, eps: 1e-3, weightDecay: 0.1 },
    {
      learningRate: [0.002],
      b1: [0.5],
      b2: [0.5],
      eps: [10],
      weightDecay: [0.5],
      matrixDecay,
      mask: [withoutTall],
    },
  );
  everyOption<ScheduleFreeAdamWOptions>(
    scheduleFreeAdamw,
    {
      learningRate: warmupCosine({ peak: 0.03, warmupSteps: 5, numSteps: 100 }),
      b1: 0.8,
      b2: 0.95,
      eps: 1e-3,
      weightDecay: 0.1,
    },
    {
      learningRate: [0.002],
      b1: [0.5],
      b2: [0.5],
      eps: [0.5],
      weightDecay: [0.5],
      averagePower: [3],
      learningRatePower: [0],
      matrixDecay,
      mask: [withoutTall],
    },
  );
  const beside = {
    adamw: [{ learningRate: 0.1 }],
    weightDecay: [0.5],
    matrixDecay,
    mask: [withoutTall],
    learningRate: [0.002],
  };
  const without =
    (name: string): PartitionRule =>
    (path, shape) =>
      path === "tall" || shape.length < 2 ? { group: "adamw", reason: "" } : { group: name, reason: "" };
  everyOption<SoapOptions>(
    soap,
    { learningRate: 0.02, b1: 0.8, b2: 0.9, eps: 1e-3, frequency: 2, weightDecay: 0.1 },
    {
      ...beside,
      b1: [0.5],
      b2: [0.5],
      eps: [0.5],
      frequency: [5],
      maxSide: [5],
      rule: [without("soap")],
    },
  );
  everyOption<NorMuonOptions>(
    normuon,
    { learningRate: 0.01, momentum: 0.9, weightDecay: 0.1 },
    {
      ...beside,
      momentum: [0.5],
      nesterov: [false],
      b2: [0.5],
      eps: [1],
      steps: [2],
      coefficients: ["taylor"],
      scale: ["match-adamw-rms"],
      rule: [without("normuon")],
    },
  );
  everyOption<AdaMuonOptions>(
    adamuon,
    { learningRate: 0.01, momentum: 0.9, weightDecay: 0.1 },
    {
      ...beside,
      momentum: [0.5],
      nesterov: [false],
      sign: [false],
      b2: [0.5],
      eps: [1],
      steps: [2],
      coefficients: ["taylor"],
      rule: [without("adamuon")],
    },
  );
  // Clipping needs attentions: its options are tested in muonClip.test.ts.
  everyOption<Omit<MuonClipOptions, "threshold" | "alpha" | "method" | "eps" | "matrixLayout">>(
    muonClip,
    { learningRate: 0.01, momentum: 0.9 },
    {
      ...beside,
      momentum: [0.5],
      nesterov: [true],
      steps: [2],
      coefficients: ["taylor"],
      scale: ["keller-jordan"],
    },
  );
  everyOption<DionOptions>(
    dion,
    { learningRate: 0.02, momentum: 0.9, rankFraction: 0.5, weightDecay: 0.1 },
    {
      ...beside,
      momentum: [0.5],
      rankFraction: [1],
      eps: [1],
      seed: [1],
      rule: [without("dion")],
    },
  );
});

test("no optimizer is without a test of its options, nor an option of its row without a range", () => {
  const rows = Object.entries<OptimizerMethod>(optimizerMethods);
  assert.deepEqual([...tested].sort(), rows.map(([name]) => name.replaceAll("-", "")).sort());
  for (const [name, { options, make }] of rows) {
    for (const [key, option] of Object.entries(options)) {
      if (option.kind !== "number" && option.kind !== "nullable") continue;
      for (const value of [-1, Number.NaN, Number.POSITIVE_INFINITY])
        assert.throws(() => make({ [key]: value } as never), ConfigError, `${name} ${key} ${value}`);
    }
  }
});

test("impossible options are refused", () => {
  for (const make of [
    () => sgd({ momentum: 1 }),
    () => sgd({ weightDecay: Number.NaN }),
    () => signum({ momentum: -0.1 }),
    () => scaleBySoftsign(-1),
    () => rmsprop({ decay: 1 }),
    () => rmsprop({ epsRoot: -1 }),
    () => scaleByAdam({ b1: 1 }),
    () => adam({ eps: -1 }),
    () => adamw({ weightDecay: -1 }),
    () => adabelief({ b2: 2 }),
    () => adabelief({ epsRoot: Number.POSITIVE_INFINITY }),
    () => lion({ b1: 1 }),
    () => tiger({ momentum: 1 }),
    () => scaleByPower(1.5),
    () => scaleByShampoo({ b2: 1 }),
    () => scaleByShampoo({ eps: 0 }),
    () => scaleByShampoo({ method: "svd" as never }),
    () => scaleByMuon({ momentum: 1 }),
    () => scaleByMuon({ scale: "half" as never }),
    () => scaleByMuon({ method: "svd" as never }),
    () => scaleByMuon({ method: "exact", steps: 3 }),
    () => scaleByMuon({ coefficients: "cubic" as never }),
    () => scaleByMuon({ steps: 1.5 }),
    () => scaleByMuon({ eps: 0 }),
  ]) {
    assert.throws(make, ConfigError);
  }
});
