import { ConfigError } from "../errors.ts";
import { requirePositive } from "./checks.ts";

/** The end points of a trade-off between steps and samples to one target loss. */
export interface TradeOff {
  /** S_min: steps with an unlimited batch. */
  readonly minSteps: number;
  /** E_min: samples with the smallest batch. */
  readonly minSamples: number;
}

/**
 * Steps and samples to the target at batch size B, if the best learning rate is used at each:
 *
 * ```
 * S = S_min·(1 + B_crit/B)    E = B·S = E_min·(1 + B/B_crit)    (S/S_min − 1)(E/E_min − 1) = 1    B_crit = E_min/S_min
 * ```
 *
 * Follows from `ΔL* = ΔL_max/(1 + B_crit/B)`, with `B_crit = B_noise` for SGD and `B_noise2` for sign updates, as long as B_crit
 * stays the same during training and a step changes the loss little. Where noise stays while the gradient shrinks, B_crit grows and
 * the product isn't 1.
 *
 * @throws ConfigError if an argument isn't positive
 *
 * Source: McCandlish et al., arXiv 1812.06162, eq. 2.11 and appendix D; Su-10542.
 *
 * @example
 * ```ts
 * // At the critical batch size: twice the least of both.
 * stepsAndSamples({ minSteps: 1000, minSamples: 64000 }, 64); // => { steps: 2000, samples: 128000 }
 * ```
 */
export function stepsAndSamples(
  { minSteps, minSamples }: TradeOff,
  batchSize: number,
): { steps: number; samples: number } {
  requirePositive("stepsAndSamples", { minSteps, minSamples, batchSize });
  const steps = minSteps * (1 + minSamples / minSteps / batchSize);
  return { steps, samples: steps * batchSize };
}

/**
 * `B_crit = E_min/S_min`: the batch size at which training takes twice the least steps and twice the least samples.
 *
 * @example
 * ```ts
 * criticalBatchSize({ minSteps: 1000, minSamples: 64000 }); // => 64
 * ```
 */
export function criticalBatchSize({ minSteps, minSamples }: TradeOff): number {
  requirePositive("criticalBatchSize", { minSteps, minSamples });
  return minSamples / minSteps;
}

/**
 * Finds S_min and E_min from measured pairs: `S = S_min + E_min·(1/B)` is a line, fitted by least squares of relative errors.
 *
 * @param measured - steps to the same target loss at two or more batch sizes, each with its best learning rate
 * @throws ConfigError for fewer than two batch sizes, or if the pairs don't follow a trade-off (a negative end point)
 *
 * @example
 * ```ts
 * const truth = { minSteps: 1000, minSamples: 64000 };
 * const measured = [16, 64, 256].map((batchSize) => ({ batchSize, steps: stepsAndSamples(truth, batchSize).steps }));
 * const { minSteps, minSamples } = fitTradeOff(measured);
 * [minSteps, minSamples]; // => [1000.0, 64000.0]
 * ```
 */
export function fitTradeOff(measured: readonly { batchSize: number; steps: number }[]): TradeOff {
  for (const { batchSize, steps } of measured) requirePositive("fitTradeOff", { batchSize, steps });
  if (new Set(measured.map(({ batchSize }) => batchSize)).size < 2)
    throw new ConfigError("fitTradeOff: expected two or more batch sizes");
  // Residuals (S_min + E_min/B − S)/S: least squares of a·u + c·v = 1.
  let [uu, uv, vv, u1, v1] = [0, 0, 0, 0, 0];
  for (const { batchSize, steps } of measured) {
    const [u, v] = [1 / steps, 1 / (batchSize * steps)];
    uu += u * u;
    uv += u * v;
    vv += v * v;
    u1 += u;
    v1 += v;
  }
  const determinant = uu * vv - uv * uv;
  const minSteps = (u1 * vv - v1 * uv) / determinant;
  const minSamples = (v1 * uu - u1 * uv) / determinant;
  if (!(minSteps > 0 && minSamples > 0))
    throw new ConfigError(
      `fitTradeOff: found S_min ${minSteps.toPrecision(3)} and E_min ${minSamples.toPrecision(3)}: the pairs follow no trade-off`,
    );
  return { minSteps, minSamples };
}
