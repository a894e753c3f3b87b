export {
  countVerdicts,
  type Experiment,
  type ExperimentContext,
  type ExperimentReport,
  type ExperimentSize,
  type Paragraph,
  runExperiment,
  type Section,
  type Table,
  type Verdict,
} from "./experiment.ts";
export { type ExperimentStatus, experimentStatus } from "./experimentStatus.ts";
export { type Plot, type PlotAxis, type PlotSeries, renderPlot } from "./plot.ts";
export { experimentNames, loadExperiment } from "./registry.ts";
export { formatInterval, type Interval, interval } from "./statistics.ts";
export { TrialLog, type TrialSettings } from "./trialLog.ts";
export { reportMarkdown, writeReport } from "./writeReport.ts";
