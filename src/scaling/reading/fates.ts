import type { RowFate } from "./sweepTable.ts";
import type { Table } from "./table.ts";

/** Notes what becomes of each row. */
export class Fates {
  readonly #table: Table;
  readonly #codes: Uint8Array;
  readonly #names: string[] = [""];
  #last = 0;

  constructor(table: Table) {
    this.#table = table;
    this.#codes = new Uint8Array(table.length);
  }

  mark(row: number, fate: string): void {
    if (fate === this.#names[this.#last]) {
      this.#codes[row] = this.#last;
      return;
    }
    let code = this.#names.indexOf(fate);
    // 255 fates are more than anyone reads.
    if (code < 0) code = this.#names.length < 255 ? this.#names.push(fate) - 1 : 254;
    this.#last = code;
    this.#codes[row] = code;
  }

  /** Fates in the order in which they were met, with the places of their rows; runs of rows are one place. */
  list(): RowFate[] {
    const most = 12;
    return this.#names.slice(1).map((fate, i) => {
      const places: string[] = [];
      let count = 0;
      let begun = -1;
      for (let row = 0; row <= this.#codes.length; row++) {
        const here = row < this.#codes.length && this.#codes[row] === i + 1;
        if (here) count++;
        if (here && begun < 0) begun = row;
        if (!here && begun >= 0) {
          if (places.length < most)
            places.push(
              row - 1 === begun
                ? this.#table.place(begun)
                : `${this.#table.place(begun)} to ${this.#table.place(row - 1)}`,
            );
          begun = -1;
        }
      }
      return { fate, count, places };
    });
  }
}
