import type { CommandRow } from "../commandRow.ts";
import { codebookRow } from "./codebook.ts";
import { coefficientsRow } from "./coefficients.ts";
import { coordinatesRow } from "./coordinates.ts";
import { dataRow } from "./data.ts";
import { decodeRow } from "./decode.ts";
import { devicesRow } from "./devices.ts";
import { encodeRow } from "./encode.ts";
import { experimentRow } from "./experiment.ts";
import { exportRow } from "./export.ts";
import { fitRow } from "./fit.ts";
import { importRow } from "./import.ts";
import { measureRow } from "./measure.ts";
import { positionsRow } from "./positions.ts";
import { runsRow } from "./runs.ts";
import { sampleRow } from "./sample.ts";
import { sweepRow } from "./sweep.ts";
import { tokenizerRow } from "./tokenizer.ts";
import { trainRow } from "./train.ts";
import { tuneRow } from "./tune.ts";
import { uiRow } from "./ui.ts";
import { workerRow } from "./worker.ts";

/** The commands of `rotor`, in the order of `rotor --help`. */
export const commandRows = {
  train: trainRow,
  sample: sampleRow,
  import: importRow,
  export: exportRow,
  tokenizer: tokenizerRow,
  encode: encodeRow,
  decode: decodeRow,
  codebook: codebookRow,
  coefficients: coefficientsRow,
  experiment: experimentRow,
  fit: fitRow,
  sweep: sweepRow,
  tune: tuneRow,
  worker: workerRow,
  measure: measureRow,
  coordinates: coordinatesRow,
  runs: runsRow,
  ui: uiRow,
  devices: devicesRow,
  data: dataRow,
  positions: positionsRow,
} as const satisfies Record<string, CommandRow>;

/** Name of a command. */
export type CommandName = keyof typeof commandRows;
