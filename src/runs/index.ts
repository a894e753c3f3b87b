/**
 * The store of runs: records, metrics, locks. Node only.
 *
 * @module rotor/runs
 */
export { checkHome } from "./checkHome.ts";
export { type ConfigDifference, configDifferences } from "./compareRuns.ts";
export { isSoundStore, putStoreAside } from "./damagedStore.ts";
export { checkIdentifier, identifierSchema, isIdentifier } from "./identifier.ts";
export { type MetricRow, readMetricLog } from "./metricLog.ts";
export { defaultPatienceSeconds, type Patience, patiently } from "./patiently.ts";
export { isAlive, startOf } from "./processIdentity.ts";
export { type RebuiltStore, rebuildRunStore } from "./rebuildRunStore.ts";
export { insidePath, removeInside } from "./removeInside.ts";
export { removeLeftovers } from "./removeLeftovers.ts";
export { type RunEvent, RunEventReader, readRunEvents } from "./runEvents.ts";
export { RunJournal } from "./runJournal.ts";
export { acquireRunLock, readLockHolder } from "./runLock.ts";
export { runningAverage } from "./runningAverage.ts";
export {
  type Annotation,
  annotationLimits,
  annotationSchema,
  firstProblem,
  type RunRecord,
  type RunStatus,
} from "./runRecord.ts";
export { type NewRun, RunStore, type RunStoreOptions, runStoreFile } from "./runStore.ts";
export { guardSqlite, isDamage, openForChange, openForReading, transaction } from "./sqliteDatabase.ts";
export {
  measurementFile,
  measurementsFolder,
  readMeasurements,
  type StoredMeasurement,
} from "./storedMeasurements.ts";
