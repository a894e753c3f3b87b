/** Weight of the newest value. */
const weight = 0.05;

/** The running average of a loss: each step adds a twentieth of its difference. Null before the first. */
export function runningAverage(average: number | null, value: number): number {
  return average === null ? value : average + weight * (value - average);
}
