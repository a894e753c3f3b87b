import { mix } from "../../data/index.ts";

/** Random choices that a seed decides. */
export class Choices {
  readonly #seeds: readonly number[];
  #count = 0;

  constructor(...seeds: readonly number[]) {
    this.#seeds = seeds;
  }

  /** A whole number from 0 to `size − 1`. */
  below(size: number): number {
    return Math.floor((mix(...this.#seeds, this.#count++) / 2 ** 32) * size);
  }

  /** A whole number from `low` to `high`. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }

  shuffled<T>(values: readonly T[]): T[] {
    const result = [...values];
    for (let i = result.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [result[i], result[j]] = [result[j]!, result[i]!];
    }
    return result;
  }
}
