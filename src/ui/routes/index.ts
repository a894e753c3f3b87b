import type { Route } from "../route.ts";
import { annotateRoute } from "./annotate.ts";
import { compareRoute } from "./compare.ts";
import { measureRoute, measureStopRoute } from "./measure.ts";
import { measurementsRoute } from "./measurements.ts";
import { metricsRoute } from "./metrics.ts";
import { playgroundRoute } from "./playground.ts";
import { runRoute } from "./run.ts";
import { runsRoute } from "./runs.ts";
import { shareRoute } from "./share.ts";
import { sparksRoute } from "./sparks.ts";
import { stepFileRoute } from "./stepFile.ts";
import { sweepRoute } from "./sweep.ts";
import { sweepsRoute } from "./sweeps.ts";

/** All that the page can ask for. */
export const routes = {
  runs: runsRoute,
  sparks: sparksRoute,
  run: runRoute,
  metrics: metricsRoute,
  stepFile: stepFileRoute,
  annotate: annotateRoute,
  compare: compareRoute,
  sweeps: sweepsRoute,
  sweep: sweepRoute,
  measurements: measurementsRoute,
  measure: measureRoute,
  measureStop: measureStopRoute,
  playground: playgroundRoute,
  share: shareRoute,
} as const satisfies Record<string, Route>;
