/**
 * Optimizers as transformations of gradients that compose, schedules, weight decay, and which parameters each gets.
 *
 * @module rotor/optim
 */
export { type AdaBeliefOptions, adabelief, type ScaleByBeliefOptions, scaleByBelief } from "./adabelief.ts";
export { type AdamOptions, adam } from "./adam.ts";
export { type AdaMuonOptions, adamuon, type ScaleByAdaMuonOptions, scaleByAdaMuon } from "./adamuon.ts";
export { type AdamWOptions, adamw } from "./adamw.ts";
export { type AdoptOptions, adopt, type ScaleByAdoptOptions, scaleByAdopt } from "./adopt.ts";
export { type DionOptions, dion, type ScaleByDionOptions, scaleByDion } from "./dion.ts";
export {
  applyUpdates,
  chain,
  type GradientTransformation,
  identity,
  mapArrays,
  type Observed,
  stateless,
  type Tree,
} from "./gradientTransformation.ts";
export { type LionOptions, lion, type ScaleByLionOptions, scaleByLion } from "./lion.ts";
export {
  adjustLossScale,
  allFinite,
  chooseTree,
  initLossScale,
  type LossScale,
  type LossScaleOptions,
} from "./lossScale.ts";
export type { MatrixAxes, MatrixLayout, MatrixOptions, MatrixSplit } from "./matrixBlocks.ts";
export {
  type MuonOptions,
  muon,
  muonRule,
  type ScaleByMuonOptions,
  scaleByMuon,
} from "./muon.ts";
export {
  type ClipQueryKeyOptions,
  clipQueryKey,
  type MuonClipOptions,
  muonClip,
} from "./muonClip.ts";
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
export { type NorMuonOptions, normuon, type ScaleByNorMuonOptions, scaleByNorMuon } from "./normuon.ts";
export { type OrthogonalizeOptions, orthogonalize } from "./orthogonalize.ts";
export { type ParameterScale, parameterScale } from "./parameterScale.ts";
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
  type BranchOptions,
  branchSchedule,
  branchShapes,
  constantSchedule,
  perParameter,
  type Schedule,
  type ScheduleOrNumber,
  type WarmupCosineOptions,
  type WarmupStableDecayOptions,
  warmupCosine,
  warmupStableDecay,
} from "./schedule.ts";
export {
  type ScheduleFreeAdamWOptions,
  scheduleFreeAdamw,
  scheduleFreeParameters,
} from "./scheduleFreeAdamw.ts";
export { type SgdOptions, sgd } from "./sgd.ts";
export {
  type ScaleByShampooOptions,
  type ShampooOptions,
  scaleByShampoo,
  shampoo,
  shampooRule,
} from "./shampoo.ts";
export { type SignumOptions, scaleBySign, scaleBySoftsign, signum } from "./signum.ts";
export { type ScaleBySoapOptions, type SoapOptions, scaleBySoap, soap } from "./soap.ts";
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
  type DecayMask,
  globalNorm,
  type MomentumOptions,
  type ScaleByAdamOptions,
  scale,
  scaleByAdam,
  scaleByLearningRate,
  scaleByPath,
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
export { byKind, type KindGroups, type ParameterKind, parameterKind } from "./parameterKind.ts";
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
  type FrobeniusDecay,
  independentStrength,
  type SchattenDecay,
  type SpectralDecay,
  type TopKDecay,
  type WeightDecay,
} from "./weightDecay.ts";

// What is known of each optimizer by name.

export {
  type AllOptions,
  defaultsOf,
  type GroupOption,
  type NumberOption,
  type OptimizerOption,
  type OptionsOf,
  type OptionTable,
  rangeOf,
  withDefaults,
} from "../options/index.ts";
export type { LeafDirection, MethodDirection, StateReader } from "./direction.ts";
export type { OptimizerMethod } from "./optimizerMethod.ts";
export { type OptimizerName, type OptimizerTable, optimizerMethods } from "./optimizerMethods.ts";
export type { UpdateSize } from "./updateSize.ts";
