import type { ClockView } from "../../src/ui/views.ts";

/** What curves are drawn against. */
export const axisNames = ["steps", "items", "time", "flops"] as const;
export type AxisName = (typeof axisNames)[number];

/** What is known of a run's steps. */
export interface StepUnits {
  readonly itemsPerStep: number | null;
  readonly flopsPerStep: number | null;
  readonly clock: ClockView;
}

/** Whether an axis can be drawn for a run. */
export function hasAxis(axis: AxisName, { itemsPerStep, flopsPerStep, clock }: StepUnits): boolean {
  if (axis === "items") return itemsPerStep !== null;
  if (axis === "flops") return flopsPerStep !== null;
  return axis === "steps" || clock.steps.length > 0;
}

/** Steps in another unit: tokens, seconds of training (in between by a straight line), floating-point operations. */
export function alongAxis(steps: readonly number[], axis: AxisName, units: StepUnits): readonly number[] {
  if (axis === "steps") return steps;
  if (axis === "items") return steps.map((step) => step * (units.itemsPerStep ?? Number.NaN));
  if (axis === "flops") return steps.map((step) => step * (units.flopsPerStep ?? Number.NaN));
  const { clock } = units;
  let at = 0;
  return steps.map((step) => {
    while (at < clock.steps.length - 1 && clock.steps[at]! < step) at++;
    const [x1, y1] = [clock.steps[at]!, clock.seconds[at]!];
    const [x0, y0] = at === 0 ? [0, 0] : [clock.steps[at - 1]!, clock.seconds[at - 1]!];
    return y0 + ((step - x0) * (y1 - y0)) / (x1 - x0);
  });
}
