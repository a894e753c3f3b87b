import type { ExperimentContext } from "../experiment.ts";
import type { Plan } from "./plan.ts";
import { type PublishedRow, publishedRows } from "./publishedCoefficients.ts";
import {
  type ErrorsBySteps,
  errorsBySteps,
  findRow,
  type MomentumSpectra,
  type RowResult,
  Spectra,
  trainForMomentum,
} from "./searches.ts";

export interface Row {
  readonly published: PublishedRow;
  readonly matrices: number;
  readonly result: RowResult;
}

export const nameOf = ({ rows, columns, steps }: PublishedRow) => `${rows} × ${columns}, T = ${steps}`;

/** What was measured. */
export interface Results {
  readonly rows: readonly Row[];
  readonly bySteps: ErrorsBySteps;
  readonly momentum: MomentumSpectra;
}

export async function measure(plan: Plan, { trials, threads, note }: ExperimentContext): Promise<Results> {
  const drawn = new Map<string, Spectra>();
  const draw = (rows: number, columns: number, matrices: number, firstSeed: number) => {
    const key = [rows, columns, matrices, firstSeed].join();
    const known = drawn.get(key) ?? Spectra.gaussian(rows, columns, matrices, firstSeed);
    drawn.set(key, known);
    return known;
  };
  const rows: Row[] = [];
  for (const original of publishedRows.filter(({ columns }) => columns <= plan.maxSide)) {
    const published = {
      ...original,
      rows: original.rows / plan.shrink,
      columns: original.columns / plan.shrink,
    };
    const { columns } = published;
    const matrices = plan.matrices(columns);
    const fresh = Math.max(2, Math.floor(matrices / 2));
    note(`${nameOf(published)}: ${matrices} matrices`);
    const result = await trials.run({ kind: "row", ...published, matrices, fresh }, () =>
      findRow(
        published,
        draw(published.rows, columns, matrices, 1),
        draw(published.rows, columns, fresh, 1001),
      ),
    );
    rows.push({ published, matrices, result });
  }
  const side = 1024 / plan.shrink;
  note(`${side} × ${side}, 1 to ${plan.maxSteps} steps`);
  const bySteps = await trials.run({ kind: "steps", side, maxSteps: plan.maxSteps, matrices: 6 }, () =>
    errorsBySteps(draw(side, side, 6, 1), plan.maxSteps),
  );
  const { preset, steps } = plan.momentum;
  note(`momentum of ${preset} after ${steps} steps`);
  const momentum = await trials.run({ kind: "momentum", preset, steps }, () =>
    trainForMomentum(preset, steps, threads),
  );
  return { rows, bySteps, momentum };
}
