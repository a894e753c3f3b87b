export { type ConfigDifference, configDifferences } from "./compareRuns.ts";
export { MetricLog } from "./metricLog.ts";
export { acquireRunLock, readLockHolder } from "./runLock.ts";
export { type MetricRow, type NewRun, type RunRecord, type RunStatus, RunStore } from "./runStore.ts";
export { migrate, transaction } from "./sqliteDatabase.ts";
