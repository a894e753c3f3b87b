export type { Covariate } from "./covariates.ts";
export { type FieldDescription, fields, type SweepField, sweepFields } from "./fields.ts";
export type { HistoryChoice } from "./histories.ts";
export type { Mend, SayMend } from "./mend.ts";
export { parseQuantity } from "./quantity.ts";
export { type ReadSweepOptions, readSweep } from "./readSweep.ts";
export { readTable } from "./readTable.ts";
export type { SweepSource } from "./sweepSources.ts";
export type {
  ColumnUse,
  ReadyOptimum,
  RowFate,
  StepsToTarget,
  SweepMetric,
  SweepTable,
} from "./sweepTable.ts";
export { Column, ListColumn, makeTable, type Table } from "./table.ts";
