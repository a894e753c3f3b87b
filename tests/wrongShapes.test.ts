import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { numpy as np, random, tree } from "@jax-js/jax";
import { RotorError } from "../src/errors.ts";
import * as nn from "../src/nn/index.ts";
import { rotaryTables } from "../src/position/index.ts";
import * as quantize from "../src/quantize/index.ts";
import * as spectral from "../src/spectral/index.ts";

/** Makes an array of a type: `"float32[2,3]"`; numbers are ones, keys are keys. */
type Make = (type: string) => np.Array;

/** A call that is right, of arrays that it makes one after the other. */
type Call = (a: Make) => unknown;

/** Of a function that can't be given a wrong shape: why. */
interface Exempt {
  readonly why: string;
}

type FunctionsOf<Module> = {
  [Name in keyof Module]: Module[Name] extends (...args: never[]) => unknown ? Name : never;
}[keyof Module] &
  string;

/** Every exported function: a new one doesn't compile without its row. */
type Rows<Module> = Readonly<Record<FunctionsOf<Module>, Call | readonly Call[] | Exempt>>;

const plain: Exempt = { why: "takes numbers, not arrays" };
const anyShape: Exempt = { why: "arrays of every shape are right" };

function made(type: string): np.Array {
  const [, dtype, inside] = /^(\w+)\[(.*)\]$/.exec(type)!;
  const shape = inside === "" ? [] : inside!.split(",").map(Number);
  if (type === "uint32[2]") return random.key(7);
  return np.full(shape, dtype === "float32" ? 1 : 0, { dtype: dtype as never });
}

/** Makes arrays like those of a tree, which is given up. */
function like<T>(a: Make, example: T): T {
  return tree.map((leaf: np.Array) => {
    const copy = a(`${leaf.dtype}[${leaf.shape.join()}]`);
    leaf.dispose();
    return copy;
  }, example as never) as T;
}

const otherType = (dtype: string) => (dtype === "float32" ? "int32" : "float32");

/** Types that are close to one, and wrong for most functions. */
function wrongTypes(type: string): string[] {
  const [, dtype, inside] = /^(\w+)\[(.*)\]$/.exec(type)!;
  const shape = inside === "" ? [] : inside!.split(",").map(Number);
  const shapes = [
    [1, ...shape],
    ...(shape.length > 0 ? [shape.slice(0, -1), [...shape.slice(0, -1), shape.at(-1)! + 1]] : []),
    ...(shape.length > 1 ? [[shape[0]! + 1, ...shape.slice(1)]] : []),
  ];
  return [...shapes.map((one) => `${dtype}[${one.join()}]`), `${otherType(dtype!)}[${inside}]`];
}

const isAlive = (array: np.Array) => array.refCount > 0;

function giveUp(value: unknown): void {
  const leaves: unknown[] = [];
  const visit = (node: unknown): void => {
    if (node instanceof np.Array) leaves.push(node);
    else if (typeof node === "object" && node !== null && !ArrayBuffer.isView(node))
      Object.values(node).forEach(visit);
  };
  visit(value);
  for (const leaf of leaves as np.Array[]) if (isAlive(leaf)) leaf.dispose();
}

/** Calls with array `wrong.at` of another type, if any; what was made is given back. */
function attempt(call: Call, wrong: { at: number; type: string } | null) {
  const arrays: np.Array[] = [];
  const types: string[] = [];
  const make: Make = (type) => {
    types.push(type);
    const array = made(wrong?.at === arrays.length ? wrong.type : type);
    arrays.push(array);
    return array;
  };
  try {
    giveUp(call(make));
    return { error: null, arrays, types };
  } catch (error) {
    return { error, arrays, types };
  }
}

function check(name: string, call: Call): void {
  const right = attempt(call, null);
  if (right.error !== null) throw right.error;
  for (const array of right.arrays) if (isAlive(array)) array.dispose();
  right.types.forEach((type, at) => {
    let refusals = 0;
    for (const wrongType of wrongTypes(type)) {
      const { error, arrays } = attempt(call, { at, type: wrongType });
      const what = `${name} with ${wrongType} for array ${at}, ${type}`;
      if (error !== null) {
        refusals++;
        if (!(error instanceof RotorError)) assert.fail(`${what}: ${String(error)}`);
        assert.ok(error.message.startsWith(name), `${what}: ${error.message}`);
        assert.match(error.message, /[a-z]+\d*\[[\d,]*\]/, what);
        arrays.forEach((array, i) => {
          assert.equal(array.refCount, 1, `${what}: array ${i} was consumed or kept: ${error.message}`);
        });
      }
      for (const array of arrays) if (isAlive(array)) array.dispose();
    }
    assert.ok(refusals > 0, `${name}: takes anything for array ${at}, ${type}`);
  });
}

function walk<Module>(folder: string, rows: Rows<Module>): void {
  describe(`${folder}: wrong shapes are refused by name before anything is consumed`, () => {
    for (const [name, row] of Object.entries<Call | readonly Call[] | Exempt>(rows)) {
      if ("why" in row) continue;
      const calls = typeof row === "function" ? [row] : row;
      calls.forEach((call, i) => {
        test(calls.length === 1 ? name : `${name} ${i + 1}`, () => check(name, call));
      });
    }
  });
}

const key = "uint32[2]";
const keys3 = (a: Make) => [a(key), a(key), a(key)] as const;
const config = nn.resolveTransformerConfig({
  vocabSize: 5,
  numLayers: 1,
  modelDim: 4,
  numHeads: 2,
  numKvHeads: 1,
  mlp: "swiglu",
  mlpDim: 3,
  maxLength: 8,
  norm: "layernorm",
});
const learned = nn.resolveTransformerConfig({ ...config, position: "learned", tiedHead: true });
const attentionParams = (a: Make): nn.AttentionParams => ({
  wq: a("float32[4,4]"),
  wk: a("float32[4,2]"),
  wv: a("float32[4,2]"),
  wo: a("float32[4,4]"),
  qNorm: { weight: a("float32[2]") },
  kNorm: { weight: a("float32[2]") },
  bq: a("float32[4]"),
  bk: a("float32[2]"),
  bv: a("float32[2]"),
  bo: a("float32[4]"),
});
const transformerParams = (a: Make, of = config) => like(a, nn.initTransformer(random.key(1), of));
const tablesOf = (a: Make, length: number) => {
  const { cos, sin, ...rest } = rotaryTables(
    Array.from({ length }, (_, i) => i),
    2,
  );
  return { ...rest, cos: like(a, cos), sin };
};
const autoencoder = (encoder: nn.ImageEncoderOptions) =>
  nn.resolveImageAutoencoder({ image: { height: 4, width: 4 }, encoder, dim: 3 });
const convolutional = autoencoder({ kind: "convolutional", channels: [2, 3], numBlocks: 1 });
const patch = autoencoder({ kind: "patch", patchSize: 2, numLayers: 1, modelDim: 8, numHeads: 2, mlpDim: 4 });
const lookup = quantize.lookupFreeQuantizer({ dim: 3 });
const images = "float32[2,4,4,1]";
const autoencoderParams = (a: Make, of: nn.ImageAutoencoderConfig) => {
  const { params } = nn.initImageAutoencoder(random.key(1), of, lookup);
  return like(a, params);
};
const multimodal = nn.resolveMultimodalConfig({
  vocabSize: 5,
  numLayers: 1,
  modelDim: 4,
  numHeads: 2,
  mlpDim: 3,
  numAxes: 2,
  patch: { dim: 3, token: 4, predict: true },
  codeVocabSize: 2,
});
const multimodalParams = (a: Make) => like(a, nn.initMultimodalTransformer(random.key(1), multimodal));
const inputs = (a: Make) => ({
  tokens: a("int32[2,3]"),
  positions: a("float32[2,3,2]"),
  patches: a("float32[2,3,3]"),
  documents: a("int32[2,3]"),
});

walk<typeof nn>("nn", {
  affine: (a) => nn.affine(a("float32[2,3]"), { weight: a("float32[3,4]"), bias: a("float32[4]") }),
  initAffine: (a) => nn.initAffine(a(key), 3, 4),
  attend: [
    (a) =>
      nn.attend(
        { q: a("float32[2,3,4,5]"), k: a("float32[2,6,2,5]"), v: a("float32[2,6,2,5]") },
        a("float32[3,6]"),
      ),
    (a) =>
      nn.attend(
        { q: a("float32[2,3,4,5]"), k: a("float32[2,3,4,5]"), v: a("float32[2,3,4,5]") },
        a("float32[4,3,3]"),
        { causal: true, blockSize: 1 },
      ),
    (a) =>
      nn.attend(
        { q: a("float32[2,3,4,5]"), k: a("float32[2,6,2,5]"), v: a("float32[2,6,2,5]") },
        a("float32[2,1,3,6]"),
      ),
  ],
  attention: (a) =>
    nn.attention(a("float32[2,3,4]"), attentionParams(a), config, a("float32[3,3]"), tablesOf(a, 3)),
  causalBias: plain,
  initAttention: (a) =>
    nn.initAttention([a(key), a(key), a(key), a(key)], 4, config, true, 0.02, 0.02, "all"),
  maskBias: (a) => nn.maskBias(a("bool[3,4]")),
  projectHeads: (a) => {
    const { wo, bo, ...params } = attentionParams(made);
    giveUp([wo, bo]);
    return nn.projectHeads(a("float32[2,3,4]"), like(a, params), config, tablesOf(a, 3));
  },
  attentionMaxLogits: (a) =>
    nn.attentionMaxLogits({ q: a("float32[2,3,4,5]"), k: a("float32[2,6,2,5]") }, a("float32[3,6]")),
  attentionWeights: (a) =>
    nn.attentionWeights({ q: a("float32[2,3,4,5]"), k: a("float32[2,6,2,5]") }, a("float32[3,6]")),
  transformerMaxLogits: (a) => nn.transformerMaxLogits(transformerParams(a), a("int32[2,3]"), config),
  flopsPerImage: plain,
  convolution: (a) =>
    nn.convolution(a("float32[2,4,5,3]"), { kernel: a("float32[2,3,3,3]"), bias: a("float32[2]") }),
  depthToSpace: (a) => nn.depthToSpace(a("float32[2,3,3,4]"), 2),
  initConvolution: (a) => nn.initConvolution(a(key), 2, 3, 3),
  spaceToDepth: (a) => nn.spaceToDepth(a("float32[2,4,6,3]"), 2),
  convolutionalDecoder: (a) => {
    const { decoder } = autoencoderParams(made, convolutional);
    return nn.convolutionalDecoder(like(a, decoder) as nn.ConvolutionalDecoderParams, a("float32[2,1,1,3]"));
  },
  convolutionalEncoder: (a) => {
    const { encoder } = autoencoderParams(made, convolutional);
    return nn.convolutionalEncoder(like(a, encoder) as nn.ConvolutionalEncoderParams, a(images));
  },
  initConvolutionalDecoder: (a) =>
    nn.initConvolutionalDecoder(a(key), { kind: "convolutional", channels: [2], numBlocks: 1 }, 1, 3),
  initConvolutionalEncoder: (a) =>
    nn.initConvolutionalEncoder(a(key), { kind: "convolutional", channels: [2], numBlocks: 1 }, 1, 3),
  crossEntropy: (a) => nn.crossEntropy(a("float32[2,3,5]"), a("int32[2,3]"), a("bool[2,3]")),
  decode: (a) =>
    nn.decode(
      transformerParams(a),
      like(a, nn.initCache(config, 2, 4)),
      a("int32[2,1]"),
      a("int32[]"),
      config,
    ),
  initCache: plain,
  embedding: (a) => nn.embedding(a("float32[5,4]"), a("int32[2,3]")),
  codesToImages: (a) => {
    const { encoder, decoder, quantizer } = autoencoderParams(made, patch);
    const params = { encoder, decoder: like(a, decoder), quantizer };
    return nn.codesToImages(params, {}, a("int32[2,2,2]"), patch, lookup);
  },
  decodeLatents: [
    (a) => nn.decodeLatents(like(a, autoencoderParams(made, patch).decoder), a("float32[2,2,2,3]"), patch),
    (a) =>
      nn.decodeLatents(
        like(a, autoencoderParams(made, convolutional).decoder),
        a("float32[2,1,1,3]"),
        convolutional,
      ),
  ],
  encodeImages: [
    (a) => nn.encodeImages(like(a, autoencoderParams(made, patch).encoder), a(images), patch),
    (a) => nn.encodeImages(like(a, autoencoderParams(made, convolutional).encoder), a(images), convolutional),
  ],
  imageAutoencoderLoss: (a) =>
    nn.imageAutoencoderLoss(autoencoderParams(a, convolutional), {}, a(images), convolutional, lookup),
  imagesToCodes: (a) => {
    const { encoder, decoder, quantizer } = autoencoderParams(made, patch);
    return nn.imagesToCodes({ encoder: like(a, encoder), decoder, quantizer }, {}, a(images), patch, lookup);
  },
  initImageAutoencoder: (a) => nn.initImageAutoencoder(a(key), patch, null),
  reconstructImages: (a) => nn.reconstructImages(autoencoderParams(a, patch), {}, a(images), patch, lookup),
  resolveImageAutoencoder: plain,
  linear: (a) => nn.linear(a("float32[2,3]"), a("float32[3,4]")),
  normalMatrix: (a) => nn.normalMatrix(a(key), 2, 3, 1),
  gelu: anyShape,
  geluTanh: anyShape,
  initLora: (a) => nn.initLora(a(key), 4, 3, 2),
  mergeLora: (a) => nn.mergeLora(a("float32[4,3]"), { a: a("float32[4,2]"), b: a("float32[2,3]") }, 1),
  loraScale: plain,
  initMlp: (a) => nn.initMlp(keys3(a), 4, 3, "swiglu", 1, 1),
  isGated: plain,
  mlp: (a) =>
    nn.mlp(
      a("float32[2,4]"),
      {
        up: a("float32[4,3]"),
        gate: a("float32[4,3]"),
        down: a("float32[3,4]"),
        upBias: a("float32[3]"),
        gateBias: a("float32[3]"),
        downBias: a("float32[4]"),
      },
      "swiglu",
    ),
  relu2: anyShape,
  silu: anyShape,
  documentOf: plain,
  multimodalBatch: plain,
  resolveMultimodalConfig: plain,
  initMultimodalCache: plain,
  multimodalDecode: (a) =>
    nn.multimodalDecode(
      multimodalParams(a),
      like(a, nn.initMultimodalCache(multimodal, 2, 4)),
      inputs(a),
      a("int32[]"),
      multimodal,
    ),
  multimodalLoss: (a) =>
    nn.multimodalLoss(multimodalParams(a), { ...inputs(a), weights: a("float32[2,3]") }, multimodal),
  multimodalLosses: (a) =>
    nn.multimodalLosses(multimodalParams(a), { ...inputs(a), weights: a("float32[2,3]") }, multimodal),
  initMultimodalTransformer: (a) => nn.initMultimodalTransformer(a(key), multimodal),
  multimodalTransformer: (a) => nn.multimodalTransformer(multimodalParams(a), inputs(a), multimodal),
  configuredNorm: (a) =>
    nn.configuredNorm(
      a("float32[2,3]"),
      { weight: a("float32[3]"), bias: a("float32[3]") },
      { norm: "layernorm", normGain: "weight", normEps: 1e-5 },
    ),
  initConfiguredNorm: plain,
  initLayerNorm: plain,
  initNorm: plain,
  initRmsNorm: plain,
  layerNorm: (a) => nn.layerNorm(a("float32[2,3]"), { weight: a("float32[3]"), bias: a("float32[3]") }),
  norm: (a) => nn.norm(a("float32[2,3]"), { weight: a("float32[3]") }, 1e-6),
  rmsNorm: (a) => nn.rmsNorm(a("float32[2,3]"), { weight: a("float32[3]") }),
  initPatchDecoder: (a) => nn.initPatchDecoder(a(key), patch.encoder as nn.PatchConfig, 1, 3),
  initPatchEncoder: (a) => nn.initPatchEncoder(a(key), patch.encoder as nn.PatchConfig, 1, 3),
  patchDecoder: (a) =>
    nn.patchDecoder(
      like(a, autoencoderParams(made, patch).decoder as nn.PatchEncoderParams),
      a("float32[2,2,2,3]"),
      patch.encoder as nn.PatchConfig,
    ),
  patchEncoder: (a) =>
    nn.patchEncoder(
      like(a, autoencoderParams(made, patch).encoder as nn.PatchEncoderParams),
      a(images),
      patch.encoder as nn.PatchConfig,
    ),
  resolvePatchConfig: plain,
  publishedPositions: plain,
  softcap: anyShape,
  initTransformer: (a) => nn.initTransformer(a(key), config),
  initTransformerParts: { why: "a generator, which initTransformer runs" },
  transformer: [
    (a) => nn.transformer(transformerParams(a), a("int32[2,3]"), config),
    (a) => nn.transformer(transformerParams(a, learned), a("int32[2,7]"), learned),
  ],
  transformerLoss: (a) => nn.transformerLoss(transformerParams(a), a("int32[2,3]"), config),
  packedTransformer: (a) =>
    nn.packedTransformer(
      transformerParams(a),
      { inputs: a("int32[2,3]"), segments: a("int32[2,3]"), places: a("int32[2,3]") },
      config,
    ),
  packedLoss: (a) =>
    nn.packedLoss(
      transformerParams(a),
      {
        inputs: a("int32[2,3]"),
        targets: a("int32[2,3]"),
        segments: a("int32[2,3]"),
        places: a("int32[2,3]"),
      },
      config,
    ),
  initBlock: { why: "its keys come from a function, one by one; initAttention and initMlp check them" },
  transformerBlock: (a) =>
    nn.transformerBlock(
      a("float32[2,3,4]"),
      like(a, transformerParams(made).blocks[0]!),
      config,
      a("float32[3,3]"),
      tablesOf(a, 3),
    ),
  countParameters: plain,
  flopsPerToken: plain,
  resolveTransformerConfig: plain,
  initialFactor: plain,
  relativeSize: plain,
});

const vq = quantize.vectorQuantizer({ numCodes: 4, dim: 3 });
const ema = quantize.vectorQuantizer({ numCodes: 4, dim: 3, learning: "ema" });
const emaState = (a: Make) => ({
  codebook: a("float32[4,3]"),
  clusterSize: a("float32[4]"),
  average: a("float32[4,3]"),
});
const sim = quantize.simVq({ numCodes: 4, dim: 3, bias: true });
const simParams = (a: Make) => ({ transform: a("float32[3,3]"), bias: a("float32[3]") });
const simState = (a: Make) => ({ table: a("float32[4,3]") });
const fsq = quantize.finiteScalarQuantizer({ levels: [3, 4] });
const residual = quantize.residualQuantizer([lookup, lookup]);
const product = quantize.productQuantizer([lookup, fsq]);
const two = { layers: [{}, {}] };
const z = "float32[5,3]";

walk<typeof quantize>("quantize", {
  codebookDistance: (a) => quantize.codebookDistance(a("float32[5,3]"), a("float32[4,3]")),
  squaresToNearest: (a) => quantize.squaresToNearest(a("float32[5,3]"), a("float32[4,3]")),
  transformSpectrum: (a) => quantize.transformSpectrum(a("float32[3,3]")),
  countCodes: (a) => quantize.countCodes(a("int32[5]"), 4),
  normalize: (a) => quantize.normalize(a(z)),
  sumByCode: (a) => quantize.sumByCode(a(z), a("int32[5]"), 4),
  summarizeUsage: plain,
  finiteScalarGrid: plain,
  finiteScalarQuantizer: [
    (a) => fsq.init(a(key)),
    (a) => fsq.apply({}, {}, a("float32[5,2]"), a(key)),
    (a) => fsq.encode({}, {}, a("float32[5,2]")),
    (a) => fsq.decode({}, {}, a("int32[5]")),
  ],
  diveq: (a) => quantize.diveq(a(z), a(z), a(key)),
  quantizeThrough: (a) => quantize.quantizeThrough(a(z), a(z), { gradient: "diveq" }, a(key)),
  rotationTrick: (a) => quantize.rotationTrick(a(z), a(z)),
  straightThrough: (a) => quantize.straightThrough(a(z), a(z)),
  gradientReport: (a) => quantize.gradientReport((x) => np.square(x).sum(), a(z), a(z), a(key)),
  meanSquaredError: plain,
  psnr: plain,
  ssim: plain,
  drawCentres: (a) => quantize.drawCentres(a(z), 2, a(key)),
  kMeans: [
    (a) => quantize.kMeans(a(z), 4, a(key), { iterations: 1 }),
    (a) => quantize.kMeans(a(z), 4, a(key), { iterations: 1, start: a("float32[4,3]") }),
  ],
  moveCentres: (a) => quantize.moveCentres(a("float32[4,3]"), a("float32[4,3]"), a("float32[4]"), {}),
  sumsByNearest: (a) => quantize.sumsByNearest(a(z), a("float32[4,3]"), {}),
  lookupFreeQuantizer: [
    (a) => lookup.init(a(key)),
    (a) => lookup.apply({}, {}, a(z), a(key)),
    (a) => lookup.encode({}, {}, a(z)),
    (a) => lookup.decode({}, {}, a("int32[5]")),
  ],
  nearestCode: (a) => quantize.nearestCode(a(z), a("float32[4,3]")),
  planSearch: plain,
  searchRanges: plain,
  productQuantizer: [
    (a) => product.init(a(key)),
    (a) => product.apply(two, two, a("float32[5,5]"), a(key)),
    (a) => product.encode(two, two, a("float32[5,5]")),
    (a) => product.decode(two, two, a("int32[5,2]")),
  ],
  lossWeights: plain,
  quantizerLoss: (a) => quantize.quantizerLoss(a(z), a(z), quantize.lossWeights("vq-vae")),
  residualQuantizer: [
    (a) => residual.init(a(key)),
    (a) => residual.apply(two, two, a(z), a(key)),
    (a) => residual.encode(two, two, a(z)),
    (a) => residual.decode(two, two, a("int32[5,2]")),
  ],
  rotationWarning: (a) => quantize.rotationWarning(a(z), a(z)),
  foldCodes: (a) => quantize.foldCodes(simParams(a), simState(a)),
  simVq: [
    (a) => sim.init(a(key)),
    (a) => sim.apply(simParams(a), simState(a), a(z), a(key)),
    (a) => sim.encode(simParams(a), simState(a), a(z)),
    (a) => sim.decode(simParams(a), simState(a), a("int32[5]")),
  ],
  vectorQuantizer: [
    (a) => vq.init(a(key)),
    (a) => vq.initFrom(a("float32[4,3]"), a("float32[4]")),
    (a) => vq.apply({ codebook: a("float32[4,3]") }, { clusterSize: a("float32[4]") }, a(z), a(key)),
    (a) => ema.apply({}, emaState(a), a(z)),
    (a) => ema.update(emaState(a), { z: a(z), indices: a("int32[5]") }),
    (a) => ema.encode({}, emaState(a), a(z)),
    (a) => ema.decode({}, emaState(a), a("int32[5]")),
    (a) => ema.restart({}, emaState(a), a(z), a(key), { threshold: 0.1 }),
  ],
});

const matrix = "float32[2,3,4]";

walk<typeof spectral>("spectral", {
  balance: { why: "arrays of every shape are right; axes that they lack are tested below" },
  largestMagnitude: { why: "arrays of every shape are right; axes that they lack are tested below" },
  findCoefficients: plain,
  findSchedule: plain,
  findTriple: plain,
  coefficientTable: plain,
  gaussianSingularValues: plain,
  inverseRoot: (a) => spectral.inverseRoot(a("float32[2,3,3]"), 2),
  msign: (a) => spectral.msign(a(matrix)),
  msignByProducts: (a) => spectral.msignByProducts(a(matrix)),
  newtonSchulz: (a) => spectral.newtonSchulz(a(matrix)),
  orthogonalFactor: (a) => spectral.orthogonalFactor(a("float32[2,4,3]")),
  boundedUpTo: plain,
  coefficientsOfRoots: plain,
  iteratePolynomial: plain,
  polynomialError: plain,
  sampledError: plain,
  columnNorms: (a) => spectral.columnNorms(a(matrix)),
  imageOf: (a) => spectral.imageOf(a(matrix), a("float32[2,4,2]")),
  orthonormalize: (a) => spectral.orthonormalize(a(matrix)),
  powerIteration: (a) => spectral.powerIteration(a(matrix), { k: 2, start: a("float32[2,4,2]") }),
  powerSteps: (a) => spectral.powerSteps(a(matrix), a("float32[2,4,2]"), 2),
  spectralNorm: (a) => spectral.spectralNorm(a(matrix), { start: a("float32[2,4,1]") }),
  schattenGradient: (a) => spectral.schattenGradient(a(matrix), 3),
  schattenGradientByProducts: (a) => spectral.schattenGradientByProducts(a(matrix), 3),
  schattenNorm: (a) => spectral.schattenNorm(a(matrix), 3),
  spectralClip: (a) => spectral.spectralClip(a(matrix), 1),
  spectrum: plain,
  summarizeSpectrum: plain,
  singularValues: plain,
  symmetricEigenvalues: plain,
  tridiagonalEigen: plain,
  tridiagonalEigenvalues: plain,
});

test("axes that an array lacks, and numbers of the wrong count, are refused by name", () => {
  const x = np.ones([2, 3]);
  assert.throws(
    () => spectral.balance(x, 2),
    /^ShapeError: balance: x is float32\[2,3\], expected one that has an axis 2/,
  );
  assert.throws(
    () => spectral.largestMagnitude(x, [-3]),
    /^ShapeError: largestMagnitude: x is float32\[2,3\]/,
  );
  assert.equal(x.refCount, 1);
  x.dispose();
  const wrong = { diagonal: new Float64Array(3), offDiagonal: new Float64Array(3) };
  assert.throws(
    () => spectral.tridiagonalEigen(wrong),
    /^ShapeError: tridiagonalEigen: offDiagonal is float64\[3\], expected float64\[2\]/,
  );
  assert.throws(() => spectral.tridiagonalEigenvalues(wrong), /^ShapeError: tridiagonalEigenvalues/);
  assert.throws(
    () => spectral.spectrum([1, 2, 3], 2, 2),
    /^ShapeError: spectrum: elements are \[3\], expected \[4\]/,
  );
  assert.throws(() => spectral.singularValues([1, 2, 3], 2, 2), /^ShapeError: singularValues/);
  assert.throws(() => quantize.ssim([1], [1, 2], { height: 1, width: 1 }), /^ShapeError: ssim/);
});
