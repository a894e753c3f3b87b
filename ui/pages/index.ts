import { codesPage } from "./codes.tsx";
import { comparePage } from "./compare.tsx";
import { fitPage } from "./fit.tsx";
import { measurePage } from "./measure.tsx";
import type { PageRow } from "./pageRow.ts";
import { playgroundPage } from "./playground.tsx";
import { positionsPage } from "./positions.tsx";
import { runPage } from "./run.tsx";
import { runsPage } from "./runs.tsx";
import { sweepPage } from "./sweep.tsx";
import { sweepsPage } from "./sweeps.tsx";

/** All pages, in the order of the list at the top. */
export const pages: readonly PageRow[] = [
  runsPage,
  runPage,
  comparePage,
  sweepsPage,
  sweepPage,
  fitPage,
  measurePage,
  playgroundPage,
  positionsPage,
  codesPage,
];
