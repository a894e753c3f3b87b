import { random } from "@jax-js/jax";
import { logLogSlope, rmsByPosition } from "../../position/index.ts";
import { logarithmicPlaces, octaves, rounded } from "./places.ts";

export interface UniformSettings {
  readonly sequences: number;
  readonly length: number;
  /** Components of a value. */
  readonly dim: number;
  readonly seed: number;
}

export interface UniformResult {
  /** Of `ln RMS(y_n)` over `ln n`. */
  readonly slope: number;
  /** Of the logarithm of `RMS(y_n) − RMS(y_{n+1})`, mean over octaves, over `ln(n + ½)`. */
  readonly differenceSlope: number;
  /** Of the logarithm of `d′`, see {@link uniformTrial}, over `ln(n + ½)`. */
  readonly detectabilitySlope: number;
  /** Middle of each octave. */
  readonly places: readonly number[];
  /** `d′` by octave. */
  readonly detectability: readonly number[];
}

/** Means of `f(n)` over the octaves of `1 … length − 1` from `from` on, and the geometric middles of their `n + ½`. */
function byOctave(length: number, from: number, f: (n: number) => number) {
  return octaves(length)
    .filter(([first]) => first >= from)
    .map(([first, end]) => {
      let [sum, place] = [0, 0];
      for (let n = first; n < end; n++) {
        sum += f(n);
        place += Math.log(n + 0.5);
      }
      return { place: Math.exp(place / (end - first)), mean: sum / (end - first) };
    });
}

/**
 * Uniform causal attention over independent normal values: `y_n = (1/n)·Σ_{m≤n} v_m`, summed in float64. How well one state tells `n` from
 * `n + 1` is `d′(n)`: the difference of the means of `ln ‖y‖²` in its standard deviations. By the law `σ²/n` with `D` components it is
 * `ln(1 + 1/n)·√(D/2)`, which falls as `1/n`.
 */
export function uniformTrial({ sequences, length, dim, seed }: UniformSettings): UniformResult {
  const values = random.normal(random.key(seed), [sequences, length, dim]).dataSync() as Float32Array;
  const states = new Float64Array(values.length);
  const energies = Array.from({ length: sequences }, () => new Float64Array(length));
  for (let s = 0, at = 0; s < sequences; s++) {
    const sum = new Float64Array(dim);
    for (let n = 0; n < length; n++) {
      let energy = 0;
      for (let i = 0; i < dim; i++, at++) {
        sum[i]! += values[at]!;
        states[at] = sum[i]! / (n + 1);
        energy += states[at]! ** 2;
      }
      energies[s]![n] = Math.log(energy);
    }
  }
  const rms = rmsByPosition(states, [sequences, length, dim]);
  const moments = Array.from({ length }, (_, n) => {
    const mean = energies.reduce((sum, own) => sum + own[n]! / sequences, 0);
    const variance = energies.reduce((sum, own) => sum + (own[n]! - mean) ** 2, 0) / (sequences - 1);
    return { mean, variance };
  });
  const places = logarithmicPlaces(length);
  // Multiplied by the expected power an octave is flat, so that its mean belongs to its middle. The powers are of large n; from 4 on
  // they are right within 1 %.
  const differences = byOctave(length, 4, (n) => (rms[n - 1]! - rms[n]!) * (n + 0.5) ** 1.5);
  const detectability = byOctave(length, 1, (n) => {
    const [a, b] = [moments[n - 1]!, moments[n]!];
    return ((a.mean - b.mean) / Math.sqrt((a.variance + b.variance) / 2)) * (n + 0.5);
  });
  const slopeOf = (rows: typeof differences, power: number) =>
    logLogSlope(
      rows.map(({ place }) => place),
      rows.map(({ place, mean }) => Math.max(mean, Number.MIN_VALUE) * place ** power),
    ).slope;
  return {
    slope: rounded(
      logLogSlope(
        places,
        places.map((n) => rms[n - 1]!),
      ).slope,
    ),
    differenceSlope: rounded(slopeOf(differences, -1.5)),
    detectabilitySlope: rounded(slopeOf(detectability.slice(2), -1)),
    places: detectability.map(({ place }) => rounded(place)),
    detectability: detectability.map(({ place, mean }) => rounded(mean / place)),
  };
}
