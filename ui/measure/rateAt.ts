import type { StoredMeasurement } from "../../src/runs/index.ts";

/** A best learning rate; null for an open end. */
export interface RateInterval {
  readonly value: number;
  readonly low: number | null;
  readonly high: number | null;
}

/** η* at a batch size, by a straight line in logarithms between the places of the stored curve; null outside of it. */
export function rateAt({ curve }: Pick<StoredMeasurement, "curve">, batchSize: number): RateInterval | null {
  const after = curve.findIndex((own) => own.batchSize >= batchSize * (1 - 1e-9));
  if (after < 0) return null;
  const [a, b] = [curve[Math.max(0, after - 1)]!, curve[after]!];
  if (after === 0 && b.batchSize > batchSize * (1 + 1e-9)) return null;
  const share = a === b ? 0 : Math.log(batchSize / a.batchSize) / Math.log(b.batchSize / a.batchSize);
  const between = (end: "value" | "low" | "high") => {
    const [x, y] = [a.learningRate[end], b.learningRate[end]];
    return x === null || y === null || !(x > 0) || !(y > 0)
      ? null
      : Math.exp((1 - share) * Math.log(x) + share * Math.log(y));
  };
  const value = between("value");
  return value === null ? null : { value, low: between("low"), high: between("high") };
}
