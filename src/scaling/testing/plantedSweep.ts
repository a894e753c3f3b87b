import { normalSampler } from "../../numbers/index.ts";
import type { SweepRow } from "../index.ts";

export interface PlantedSweep {
  readonly batchSizes: readonly number[];
  /** Default: one value, 0, which isn't written into the rows. */
  readonly epsilons?: readonly number[];
  /** Grid steps of a factor of 2 to each side of the best learning rate. Default 4. */
  readonly steps?: number;
  readonly seeds?: number;
  /** Standard deviation of the loss. */
  readonly noise: number;
  readonly seed: number;
  /** Loss above its minimum at a distance in log learning rate; by default asymmetric, with a wall at 9 times the best. */
  readonly excess?: (distance: number) => number;
}

/** Rows of a sweep whose best learning rates follow a known law, on a common grid of powers of 2. */
export function plantedSweep(
  best: (batchSize: number, epsilon: number) => number,
  { batchSizes, epsilons, steps = 4, seeds = 1, noise, seed, excess }: PlantedSweep,
): SweepRow[] {
  const draw = normalSampler(seed);
  const rows: SweepRow[] = [];
  for (const epsilon of epsilons ?? [0]) {
    for (const batchSize of batchSizes) {
      const center = Math.round(Math.log2(best(batchSize, epsilon)));
      for (let i = -steps; i <= steps; i++) {
        for (let s = 0; s < seeds; s++) {
          const learningRate = 2 ** (center + i);
          const d = Math.log(learningRate / best(batchSize, epsilon));
          const rise = excess === undefined ? 0.1 * (Math.expm1(d) - d) : excess(d);
          const loss = d > Math.log(9) ? Number.NaN : 3 - 0.05 * Math.log(batchSize) + rise + noise * draw();
          rows.push({
            learningRate,
            batchSize,
            loss,
            ...(seeds > 1 && { seed: s }),
            ...(epsilons !== undefined && { epsilon }),
          });
        }
      }
    }
  }
  return rows;
}
