import { learningRatePath } from "./sweepFile.ts";
import type { TrialRecord } from "./trialStore.ts";

const lossOf = ({ outcome }: TrialRecord) => outcome?.validationLoss ?? null;

/**
 * Trials whose losses have what a seed adds to all of them taken off, as far as learning rates that it shares with the first seed tell it: that says
 * nothing about the best learning rate, and would pass for noise.
 */
export function levelSeeds(trials: readonly TrialRecord[]): TrialRecord[] {
  const bySeed = Map.groupBy(trials, ({ config }) => config.training.seed);
  const [first] = bySeed.values();
  if (first === undefined) return [];
  const reference = new Map(
    first.flatMap((trial) =>
      lossOf(trial) === null ? [] : [[trial.values[learningRatePath], lossOf(trial)!]],
    ),
  );
  return trials.map((trial) => {
    const loss = lossOf(trial);
    const members = bySeed.get(trial.config.training.seed)!;
    if (loss === null || members === first) return trial;
    const differences = members.flatMap((member) => {
      const [own, other] = [lossOf(member), reference.get(member.values[learningRatePath])];
      return own === null || other === undefined ? [] : [own - other];
    });
    if (differences.length === 0) return trial;
    const shift = differences.reduce((sum, value) => sum + value, 0) / differences.length;
    return { ...trial, outcome: { ...trial.outcome!, validationLoss: loss - shift } };
  });
}
