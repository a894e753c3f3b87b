import { type Device, type EnginePlacement, placementOf, settledPlacement } from "../compile/index.ts";
import type { TrainConfig } from "../config/index.ts";
import { warn } from "./print.ts";
import { boundedThreads } from "./threads.ts";

/** Where a command asks to run. */
export interface PlacementFlags {
  readonly device?: Device;
  readonly threads?: number;
}

/** The override of a configuration whose runs are compared: all on one device, which is chosen once. */
export async function deviceOverride(device: Device | undefined): Promise<string[]> {
  if (device === undefined) return [];
  const settled = await settledPlacement({ device }, warn);
  return [`training.device=${settled.device}`];
}

/** Where a run's model is run: as the command says, or as the run was trained, with a note of threads beyond the cores. */
export async function placementFor(
  { training }: Pick<TrainConfig, "training">,
  flags: PlacementFlags,
): Promise<EnginePlacement> {
  const placement = await settledPlacement(placementOf({ ...training, ...placementOf(flags) }), warn);
  const { threads } = placement;
  if (threads === undefined) return placement;
  const what = flags.threads === undefined ? "training.threads" : "--threads";
  return { ...placement, threads: boundedThreads(threads, what) };
}
