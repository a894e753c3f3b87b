import { isDeepStrictEqual } from "node:util";
import { CheckpointError } from "../errors.ts";
import type { RunRecord, RunStore } from "../runs/index.ts";
import { type Checkpoint, checkpointSteps, latestCheckpoint, loadCheckpoint } from "./checkpoint.ts";

/** A checkpoint of a run: by its step, the one of the lowest validation loss, or the newest. */
export type CheckpointChoice = number | "best" | "latest";

/** JSON's view of a value: undefined is nothing. */
const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value ?? null));

/** @throws CheckpointError if the store knows the checkpoint, or its run, as another one */
function compareWithStore(store: RunStore, run: RunRecord, { file, sidecar }: Checkpoint): void {
  const recorded = store.checkpointSeal(run.id, sidecar.step);
  if (recorded !== null && recorded !== sidecar.seal)
    throw new CheckpointError(
      `checkpoint ${file}: isn't the one that run ${run.id} saved at step ${sidecar.step}, says the run store`,
    );
  if (!isDeepStrictEqual(asJson(run.config), asJson(sidecar.config)))
    throw new CheckpointError(
      `checkpoint ${file}: its configuration isn't that of run ${run.id} in the run store`,
    );
}

/**
 * Opens a checkpoint of a run for whatever uses it: sidecar and tensors are as they were written, and as the store recorded them.
 *
 * @param warn - is told of checkpoints passed over for the newest that can be used, and of those without a seal
 * @throws CheckpointError if it is missing, damaged, changed, of another run or version, or none can be used
 */
export function openCheckpoint(
  store: RunStore,
  run: RunRecord,
  choice: CheckpointChoice,
  warn: (message: string) => void = () => {},
): Checkpoint {
  const open = (step: number): Checkpoint => {
    const checkpoint = loadCheckpoint(run.directory, step);
    compareWithStore(store, run, checkpoint);
    if (checkpoint.sidecar.seal === undefined)
      warn(
        `checkpoint ${checkpoint.file}: was saved by Rotor ${checkpoint.sidecar.codeVersion}, without a seal: a change in its sidecar can't be seen`,
      );
    return checkpoint;
  };
  const steps = checkpointSteps(run.directory);
  if (choice === "latest") return latestCheckpoint(run.directory, warn, open);
  if (choice === "best") {
    const losses = store.metric(run.id, "validationLoss").filter(({ step }) => steps.includes(step));
    if (losses.length === 0)
      throw new CheckpointError(`run ${run.id}: has no checkpoint of a step with a validation loss`);
    return open(losses.reduce((least, loss) => (loss.value < least.value ? loss : least)).step);
  }
  if (!steps.includes(choice)) {
    throw new CheckpointError(
      `run ${run.id}: has no checkpoint of step ${choice}; ${steps.length === 0 ? "there are none" : `expected one of ${steps.join(", ")}`}`,
    );
  }
  return open(choice);
}
