import { DType, grad, lax, nn, numpy as np, random, tree, valueAndGrad } from "@jax-js/jax";
import { int32, randomArray, uniformNumbers } from "../../compile/testing/arrays.ts";
import {
  initTransformer,
  resolveTransformerConfig,
  type TransformerOptions,
  transformerLoss,
} from "../../nn/index.ts";
import {
  adamw,
  applyUpdates,
  chain,
  clipByGlobalNorm,
  type GradientTransformation,
  muon,
  type Tree,
  trace,
  warmupCosine,
} from "../../optim/index.ts";

/** A model with its whole training step, for comparing engines. */
export interface TrainingModel {
  readonly name: string;
  /** Parameters, optimizer state and whatever else a step carries on. */
  initialState(): Tree;
  /** `(state, ...batch) => [new state, { loss }]` */
  readonly step: (state: Tree, ...batch: np.Array[]) => [Tree, { loss: np.Array }];
  batch(step: number): np.Array[];
  /**
   * Largest difference that rounding may make after 50 steps, relative to the size of a loss or an array; it grows in
   * proportion to the steps, for each adds its own rounding to what came before. About ten times what was measured.
   */
  readonly finalTolerance: number;
  /** jax-js's device for the comparison: its interpreter where its WebAssembly is wrong. Default `"wasm"`. */
  readonly oracle?: "cpu";
  /** What the loss must lose at least in 50 steps, so that the models really move. */
  readonly minImprovement: number;
}

type Loss = (params: Tree, ...batch: np.Array[]) => np.Array;

/** Parameters and the state of an optimizer, advanced by the gradient of a loss. */
function trained(loss: Loss, optimizer: GradientTransformation) {
  return {
    start: (params: Tree): Tree => ({ params, optimizer: optimizer.init(tree.ref(params)) }),
    step: (state: Tree, ...batch: np.Array[]): [Tree, { loss: np.Array }] => {
      const [value, gradients] = valueAndGrad((params: Tree) => loss(params, ...batch))(
        tree.ref(state.params),
      );
      const [updates, next] = optimizer.update(gradients, state.optimizer, tree.ref(state.params));
      return [{ params: applyUpdates(state.params, updates), optimizer: next }, { loss: value as np.Array }];
    },
  };
}

function dense(seed: number, fanIn: number, fanOut: number) {
  return {
    weight: randomArray(seed, [fanIn, fanOut]).mul(Math.sqrt(3 / fanIn)),
    bias: np.zeros([fanOut]),
  };
}

function applyDense({ weight, bias }: { weight: np.Array; bias: np.Array }, x: np.Array): np.Array {
  return np.matmul(x, weight).add(bias);
}

/** Mean over a batch of −log p(label). (By a product, for jax-js can't jit the gradient of a gather by constants here.) */
function negativeLogLikelihood(logits: np.Array, labels: np.Array): np.Array {
  const numClasses = logits.shape.at(-1)!;
  return nn.logSoftmax(logits, -1).mul(nn.oneHot(labels, numClasses)).sum(-1).mean().neg();
}

/** Descent with momentum, as transformations so that all models share one step. */
function momentumDescent(learningRate: number): GradientTransformation {
  const momentum = trace({ momentum: 0.9 });
  return {
    init: (params) => momentum.init(params),
    update(updates, state, params) {
      const [directions, next] = momentum.update(updates, state, params);
      return [tree.map((d: np.Array) => d.mul(-learningRate), directions), next];
    },
  };
}

/** Three interleaved spirals: 16 points per step. */
function spirals(step: number): np.Array[] {
  const next = uniformNumbers(1000 + step);
  const points: number[] = [];
  const labels: number[] = [];
  for (let i = 0; i < 16; i++) {
    const label = Math.floor(3 * next());
    const radius = 0.2 + 0.8 * next();
    const angle = 4 * radius + (2 * Math.PI * label) / 3;
    points.push(radius * Math.cos(angle), radius * Math.sin(angle));
    labels.push(label);
  }
  return [np.array(new Float32Array(points), { shape: [16, 2] }), int32([16], labels)];
}

function mlpClassifier(): TrainingModel {
  const loss: Loss = (params, points, labels) => {
    const hidden = np.tanh(applyDense(params.first, points.ref));
    const deeper = nn.relu(applyDense(params.second, hidden));
    return negativeLogLikelihood(applyDense(params.third, deeper), labels.ref);
  };
  const { start, step } = trained(
    (params, points, labels) => loss(params, points, labels),
    momentumDescent(0.1),
  );
  return {
    name: "MLP classifier, momentum",
    initialState: () => start({ first: dense(1, 2, 32), second: dense(2, 32, 16), third: dense(3, 16, 3) }),
    step,
    batch: spirals,
    finalTolerance: 3e-5,
    minImprovement: 0.2,
  };
}

/** Images of one bright square, labelled by the quadrant it lies in. */
function squares(step: number): np.Array[] {
  const next = uniformNumbers(2000 + step);
  const pixels = new Float32Array(8 * 64);
  const labels: number[] = [];
  for (let image = 0; image < 8; image++) {
    const [row, column] = [Math.floor(6 * next()), Math.floor(6 * next())];
    labels.push(2 * Number(row > 2) + Number(column > 2));
    for (let i = 0; i < 64; i++) {
      const inside = Math.abs((i >> 3) - row - 1) <= 1 && Math.abs((i & 7) - column - 1) <= 1;
      pixels[64 * image + i] = Number(inside) + 0.3 * (next() - 0.5);
    }
  }
  return [np.array(pixels, { shape: [8, 1, 8, 8] }), int32([8], labels)];
}

function convolutionalClassifier(): TrainingModel {
  const loss: Loss = (params, images, labels) => {
    let x = lax.conv(images, params.kernel1, [1, 1], "SAME").add(params.bias1.reshape([6, 1, 1]));
    x = lax.reduceWindow(nn.gelu(x), (window) => window.max(), [2, 2], [2, 2]);
    x = lax.conv(x, params.kernel2, [2, 1], "VALID");
    x = lax.reduceWindow(nn.silu(x), (window) => window.mean(), [1, 2], [1, 1]);
    return negativeLogLikelihood(applyDense(params.head, x.reshape([8, -1])), labels);
  };
  const { start, step } = trained(
    loss,
    chain(
      clipByGlobalNorm(1),
      adamw({ learningRate: warmupCosine({ peak: 0.02, warmupSteps: 5, numSteps: 60 }), weightDecay: 0.1 }),
    ),
  );
  return {
    name: "convolutions and pools, clipped AdamW with a schedule",
    initialState: () =>
      start({
        kernel1: randomArray(1, [6, 1, 3, 3]).mul(0.5),
        bias1: np.zeros([6]),
        kernel2: randomArray(2, [8, 6, 2, 2]).mul(0.35),
        head: dense(3, 32, 4),
      }),
    step,
    batch: squares,
    finalTolerance: 5e-5,
    minImprovement: 0.5,
  };
}

/** Arithmetic progressions modulo the vocabulary, which a transformer learns to continue. */
function progressions(vocabSize: number, batch: number, length: number, step: number): np.Array[] {
  const next = uniformNumbers(3000 + step);
  const tokens: number[] = [];
  for (let row = 0; row < batch; row++) {
    const [first, stride] = [Math.floor(vocabSize * next()), 1 + Math.floor(4 * next())];
    for (let i = 0; i <= length; i++) tokens.push((first + stride * i) % vocabSize);
  }
  return [int32([batch, length + 1], tokens)];
}

function languageModel(
  name: string,
  options: Omit<TransformerOptions, "vocabSize" | "numLayers" | "modelDim" | "numHeads">,
  optimizer: GradientTransformation,
  finalTolerance: number,
): TrainingModel {
  const config = resolveTransformerConfig({
    vocabSize: 37,
    numLayers: 2,
    modelDim: 32,
    numHeads: 4,
    ...options,
  });
  const { start, step } = trained((params, tokens) => transformerLoss(params, tokens, config), optimizer);
  return {
    name,
    initialState: () => start(initTransformer(random.key(5), config)),
    step,
    batch: (i) => progressions(37, 4, 16, i),
    finalTolerance,
    minImprovement: 0.5,
  };
}

/**
 * A vector quantizer: the nearest of 12 codes (argmin and gather), gradients straight through, codebook and commitment
 * losses. Counters of the codes' use stay int32.
 */
function vectorQuantizer(): TrainingModel {
  const loss: Loss = (params, x, codes) => {
    const encoded = applyDense(params.encoder, x.ref);
    const quantized = np.take(params.codebook, codes, 0);
    const straight = encoded.ref.add(lax.stopGradient(quantized.ref.sub(encoded.ref)));
    const decoded = applyDense(params.decoder, np.tanh(straight));
    const reconstruction = np.square(decoded.sub(x)).mean();
    const codebookLoss = np.square(quantized.ref.sub(lax.stopGradient(encoded.ref))).mean();
    const commitment = np.square(encoded.sub(lax.stopGradient(quantized))).mean();
    return reconstruction.add(codebookLoss).add(commitment.mul(0.25));
  };
  const optimizer = momentumDescent(0.05);
  const nearestCode = (params: Tree, x: np.Array): np.Array => {
    const encoded = applyDense(params.encoder, x);
    const products = np.matmul(encoded, params.codebook.ref.transpose());
    const distances = np.square(params.codebook).sum(1).sub(products.mul(2));
    return np.argmin(distances, 1);
  };
  return {
    name: "vector quantizer: argmin, gather, straight-through, counters",
    initialState: () => {
      const params = { encoder: dense(1, 6, 4), codebook: randomArray(2, [12, 4]), decoder: dense(3, 4, 6) };
      return {
        params,
        momentum: optimizer.init(tree.ref(params)),
        uses: np.zeros([12], { dtype: DType.Int32 }),
      };
    },
    step: (state, x) => {
      const codes = nearestCode(
        { encoder: tree.ref(state.params.encoder), codebook: state.params.codebook.ref },
        x!.ref,
      );
      const uses = state.uses.add(nn.oneHot(codes.ref, 12).sum(0).astype(DType.Int32));
      const [value, gradients] = valueAndGrad((params: Tree) => loss(params, x!, codes))(
        tree.ref(state.params),
      );
      const [updates, momentum] = optimizer.update(gradients, state.momentum, tree.ref(state.params));
      const params = applyUpdates(state.params, updates);
      return [{ params, momentum, uses }, { loss: value as np.Array }];
    },
    batch: (i) => {
      // Points of a curve in six dimensions.
      const next = uniformNumbers(4000 + i);
      const points = Array.from({ length: 24 }, () => 6 * next()).flatMap((t) =>
        [1, 2, 3].flatMap((k) => [Math.cos(k * t), Math.sin(k * t)]),
      );
      return [np.array(new Float32Array(points), { shape: [24, 6] })];
    },
    finalTolerance: 2e-5,
    minImprovement: 0.15,
  };
}

/** Dropout and noise from a random key that is part of the state, and a step counter. */
function randomRegularization(): TrainingModel {
  const loss = (params: Tree, points: np.Array, labels: np.Array, key: np.Array): np.Array => {
    const keys = random.split(key, 2);
    const noisy = points.add(random.normal(keys.ref.slice(0), [16, 2]).mul(0.05));
    const hidden = np.tanh(applyDense(params.first, noisy));
    const kept = random.bernoulli(keys.slice(1), 0.8, [16, 24]);
    const dropped = np.where(kept, hidden.mul(1 / 0.8), 0);
    return negativeLogLikelihood(applyDense(params.second, dropped), labels);
  };
  return {
    name: "dropout and noise from a key in the state",
    initialState: () => ({
      params: { first: dense(1, 2, 24), second: dense(2, 24, 3) },
      key: random.key(11),
      step: np.zeros([], { dtype: DType.Int32 }),
    }),
    step: (state, points, labels) => {
      const keys = random.split(state.key, 2);
      const objective = (params: Tree) => loss(params, points!, labels!, keys.ref.slice(1));
      const [value, gradients] = valueAndGrad(objective)(tree.ref(state.params));
      // 0.5 / √(1 + step/10), from the traced counter.
      const rate = np.sqrt(state.step.ref.astype(DType.Float32).mul(0.1).add(1));
      const params = tree.map(
        (p: np.Array, g: np.Array) => p.sub(g.mul(0.5).div(rate.ref)),
        state.params,
        gradients as Tree,
      );
      rate.dispose();
      return [{ params, key: keys.slice(0), step: state.step.add(1) }, { loss: value as np.Array }];
    },
    batch: spirals,
    finalTolerance: 3e-5,
    minImprovement: 0.1,
  };
}

/** A step that differentiates a gradient: minimizes a loss and the size of its gradient (double back-propagation). */
function gradientPenalty(): TrainingModel {
  const loss: Loss = (params, x) => {
    const energy = (p: Tree, y: np.Array) =>
      np.square(applyDense(p.second, np.tanh(applyDense(p.first, y)))).sum();
    const slopes = grad((y: np.Array) => energy(tree.ref(params), y))(x.ref);
    const value = energy(params, x);
    return value.mul(0.05).add(np.square((slopes as np.Array).sub(1)).mean());
  };
  const { start, step } = trained(loss, momentumDescent(0.01));
  return {
    name: "gradient penalty (second derivatives)",
    initialState: () => start({ first: dense(1, 3, 16), second: dense(2, 16, 2) }),
    step,
    batch: (i) => [randomArray(5000 + i, [12, 3])],
    finalTolerance: 2e-5,
    oracle: "cpu",
    minImprovement: 0.1,
  };
}

export const trainingModels: readonly TrainingModel[] = [
  mlpClassifier(),
  convolutionalClassifier(),
  languageModel(
    "transformer (grouped-query, SwiGLU, tied head), AdamW",
    { numKvHeads: 2, mlp: "swiglu", tiedHead: true },
    chain(clipByGlobalNorm(1), adamw({ learningRate: 0.01 })),
    // Adam divides a gradient by its own size: where that is tiny, its rounding error is not.
    1e-3,
  ),
  languageModel(
    "transformer (LayerNorm, GELU, interleaved rotary pairs), Muon",
    { norm: "layernorm", mlp: "gelu", ropePairing: "interleaved", qkNorm: false },
    muon({ learningRate: 0.02, adamw: { learningRate: 0.01 } }),
    5e-5,
  ),
  vectorQuantizer(),
  randomRegularization(),
  gradientPenalty(),
];
