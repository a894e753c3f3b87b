export { type AdaBeliefOptions, adabelief, type ScaleByBeliefOptions, scaleByBelief } from "./adabelief.ts";
export { type AdamOptions, adam } from "./adam.ts";
export { type AdamWOptions, adamw } from "./adamw.ts";
export {
  applyUpdates,
  chain,
  type GradientTransformation,
  identity,
  mapArrays,
  stateless,
  type Tree,
} from "./gradientTransformation.ts";
export { type LionOptions, lion, type ScaleByLionOptions, scaleByLion } from "./lion.ts";
export type { MatrixAxes, MatrixLayout, MatrixOptions, MatrixSplit } from "./matrixBlocks.ts";
export {
  type MuonOptions,
  muon,
  muonRule,
  type OrthogonalizeOptions,
  orthogonalize,
  type ScaleByMuonOptions,
  scaleByMuon,
} from "./muon.ts";
export {
  describeMuon,
  type MuonBlock,
  type MuonDiagnosis,
  type MuonRow,
  muonDiagnostics,
} from "./muonReport.ts";
export { type MuonScale, muonScale } from "./muonScale.ts";
export {
  type HessianVectorProduct,
  type NewtonCgOptions,
  type NewtonOptions,
  newton,
  newtonCg,
  type ScaleByNewtonCgOptions,
  type ScaleByNewtonOptions,
  scaleByNewton,
  scaleByNewtonCg,
} from "./newton.ts";
export {
  type Assignment,
  describePartition,
  type PartitionRow,
  type PartitionRule,
  partition,
} from "./partition.ts";
export { type PbsgdOptions, pbsgd, scaleByPower } from "./pbsgd.ts";
export { type QkClipOptions, type QueryKeyWeights, qkClip } from "./qkClip.ts";
export { type RmspropOptions, rmsprop, type ScaleByRmsOptions, scaleByRms } from "./rmsprop.ts";
export {
  constantSchedule,
  type Schedule,
  type ScheduleOrNumber,
  toSchedule,
  type WarmupCosineOptions,
  type WarmupStableDecayOptions,
  warmupCosine,
  warmupStableDecay,
} from "./schedule.ts";
export { type SgdOptions, sgd } from "./sgd.ts";
export {
  type ScaleByShampooOptions,
  type ShampooOptions,
  scaleByShampoo,
  shampoo,
  shampooRule,
} from "./shampoo.ts";
export { type SignumOptions, scaleBySign, scaleBySoftsign, signum } from "./signum.ts";
export {
  type ScaleBySteepestDescentOptions,
  type SteepestDirectionOptions,
  type StepNorm,
  scaleBySteepestDescent,
  steepestDirection,
  steepestStep,
} from "./steepestDescent.ts";
export { scaleByParameterRms, type TigerOptions, tiger } from "./tiger.ts";
export {
  addDecayedWeights,
  clipByGlobalNorm,
  clipToNorm,
  globalNorm,
  type MomentumOptions,
  type ScaleByAdamOptions,
  scale,
  scaleByAdam,
  scaleByLearningRate,
  trace,
  treePaths,
} from "./transforms.ts";

// Decay, clipping, accumulation, averages and the kinds of parameters.

export { accumulate } from "./accumulate.ts";
export { clipBySpectralNorm, clipByValue, type SpectralClippingOptions } from "./clipping.ts";
export {
  averagedParameters,
  type ExponentialMovingAverageOptions,
  exponentialMovingAverage,
} from "./exponentialMovingAverage.ts";
export type { MatrixSelection, ParameterMask } from "./matrixSelection.ts";
export { byKind, describeAxes, type KindGroups, type ParameterKind, parameterKind } from "./parameterKind.ts";
export { addSchattenDecay, type SchattenDecayOptions } from "./schattenDecay.ts";
export {
  addSpectralDecay,
  type SpectralDecayOptions,
  type SpectralDecayQuality,
  spectralDecayReport,
} from "./spectralDecay.ts";
export {
  addCautiousDecay,
  decayWeights,
  decoupledDecay,
  type FrobeniusDecay,
  independentStrength,
  type SchattenDecay,
  type SpectralDecay,
  type TopKDecay,
  type WeightDecay,
} from "./weightDecay.ts";
