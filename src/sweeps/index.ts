export { checkTrials } from "./checkTrials.ts";
export { type DeletedSweep, type DeleteSweepOptions, deleteSweep } from "./deleteSweep.ts";
export { type MeasuredWorkers, measureWorkers, type WorkerPlan } from "./measureWorkers.ts";
export { openSharedFiles } from "./openSharedFiles.ts";
export { openTrialStore, outboxOf } from "./openTrialStore.ts";
export { pinTrials } from "./pinTrials.ts";
export { type PlannedTrial, planTrials } from "./planTrials.ts";
export { ProcessExecutor } from "./processExecutor.ts";
export { resultsCsv } from "./resultsCsv.ts";
export { type RunSweepOptions, runSweep } from "./runSweep.ts";
export { SharedCheckpoints } from "./sharedCheckpoints.ts";
export type { SharedFiles } from "./sharedFiles.ts";
export { SqliteTrialStore } from "./sqliteTrialStore.ts";
export { learningRatePath, loadSweep, parseSweep, type SweepDefinition } from "./sweepFile.ts";
export { SweepWorker, type SweepWorkerOptions, type WorkerEvent } from "./sweepWorker.ts";
export type { Attempt, TrialExecutor } from "./trialExecutor.ts";
export {
  type Claim,
  type SweepRecord,
  type TrialOutcome,
  type TrialProgress,
  type TrialRecord,
  type TrialStore,
  unfinished,
} from "./trialStore.ts";
