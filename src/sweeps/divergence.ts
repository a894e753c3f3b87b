import type { EarlyStop } from "./sweepFile.ts";

/** Weight of the newest loss in the running average, as in the trainer. */
const smoothing = 0.05;

/** Watches the losses of one trial for divergence. */
export class DivergenceWatch {
  readonly #rule: EarlyStop | null;
  #steps = 0;
  #start = Number.NaN;
  #smooth = Number.NaN;
  #best = Number.POSITIVE_INFINITY;

  constructor(rule: EarlyStop | null) {
    this.#rule = rule;
  }

  /** The running average so far; null before the first loss. */
  get smoothLoss(): number | null {
    return Number.isNaN(this.#smooth) ? null : this.#smooth;
  }

  /** Takes the loss of the next step. @returns why the trial should stop, or null */
  add(loss: number): string | null {
    this.#steps++;
    if (this.#steps === 1) this.#start = this.#smooth = loss;
    else this.#smooth += smoothing * (loss - this.#smooth);
    this.#best = Math.min(this.#best, this.#smooth);
    if (this.#rule === null || this.#steps <= this.#rule.after) return null;
    const { factor, of } = this.#rule;
    const reference = of === "start" ? this.#start : this.#best;
    if (this.#smooth <= factor * reference) return null;
    const name = of === "start" ? "the first loss" : "the best";
    return `stopped at step ${this.#steps}: the smoothed loss ${this.#smooth.toPrecision(4)} is above ${factor} × ${name}, ${reference.toPrecision(4)}`;
  }
}
