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
export {
  type MatrixLayout,
  type MuonOptions,
  type MuonScale,
  muon,
  muonRule,
  muonScale,
  type ScaleByMuonOptions,
  scaleByMuon,
} from "./muon.ts";
export {
  type Assignment,
  describePartition,
  type PartitionRow,
  type PartitionRule,
  partition,
} from "./partition.ts";
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
export {
  type AdamOptions,
  addDecayedWeights,
  clipByGlobalNorm,
  clipToNorm,
  globalNorm,
  type MomentumOptions,
  scale,
  scaleByAdam,
  scaleByLearningRate,
  trace,
  treePaths,
} from "./transforms.ts";
