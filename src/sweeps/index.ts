/**
 * Sweeps of trainings, and their queue on one machine or many. Node only.
 *
 * @module rotor/sweeps
 */
export { checkTrials } from "./checkTrials.ts";
export { type DeletedSweep, type DeleteSweepOptions, deleteSweep } from "./deleteSweep.ts";
export { levelSeeds } from "./levelSeeds.ts";
export { type MeasuredWorkers, measureWorkers, timeWorkers, type WorkerPlan } from "./measureWorkers.ts";
export { openSharedFiles } from "./openSharedFiles.ts";
export { isShared, openTrialStore, outboxOf } from "./openTrialStore.ts";
export { pinTrials } from "./pinTrials.ts";
export { type PlannedTrial, planTrials } from "./planTrials.ts";
export { ProcessExecutor } from "./processExecutor.ts";
export { type RebuiltSweeps, rebuildSweeps, sweepsOfRuns } from "./rebuildSweeps.ts";
export { sweepRow } from "./refineLearningRates.ts";
export { removeOrphanRuns } from "./removeOrphanRuns.ts";
export { resultsCsv } from "./resultsCsv.ts";
export { type RunSweepOptions, runSweep } from "./runSweep.ts";
export { SharedCheckpoints } from "./sharedCheckpoints.ts";
export type { SharedFiles } from "./sharedFiles.ts";
export { SqliteTrialStore, sweepStoreFile } from "./sqliteTrialStore.ts";
export {
  learningRatePath,
  loadSweep,
  parseSweep,
  type SweepDefinition,
} from "./sweepFile.ts";
export { SweepWorker, type SweepWorkerOptions, type WorkerEvent } from "./sweepWorker.ts";
export { type TransferSpread, transferSpread } from "./transferSpread.ts";
export type { Attempt, TrialExecutor } from "./trialExecutor.ts";
export {
  type Claim,
  type ClaimKey,
  newSweepId,
  type SweepRecord,
  type TrialOutcome,
  type TrialProgress,
  type TrialRecord,
  type TrialStore,
  unfinished,
} from "./trialStore.ts";
export { beginTune, type NewTune, tuneRound } from "./tuneRounds.ts";
export type { TuneSettings } from "./tuneSettings.ts";
