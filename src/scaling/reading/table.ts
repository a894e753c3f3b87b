/** Distinct texts of a column, and each row's place among them. */
export interface Coded {
  readonly codes: Int32Array;
  readonly count: number;
  /** Reads the texts only when they are asked for. */
  text(code: number): string;
}

const plainNumber = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** Whether a text is a number as programs write it. */
export const isPlainNumber = (text: string) => plainNumber.test(text);

/**
 * One column of a table; what is derived from all cells is worked out once, when it's asked for.
 *
 * @example
 * ```ts
 * const [column] = readTable("lr,loss\n0.001,3.2\n0.002,3.1\n").columns;
 * column instanceof Column; // => true
 * column!.length; // => 2
 * ```
 */
export abstract class Column {
  readonly name: string;
  readonly length: number;
  #numbers: Float64Array | null = null;
  #coded: Coded | null = null;

  constructor(name: string, length: number) {
    this.name = name;
    this.length = length;
  }

  /** The cell without spaces around it. */
  abstract text(row: number): string;

  /** Plain numbers as such; NaN for everything else, `nan` among it. */
  numbers(): Float64Array {
    this.#numbers ??= this.readNumbers();
    return this.#numbers;
  }

  coded(): Coded {
    this.#coded ??= this.encode();
    return this.#coded;
  }

  /** Whether its texts are known to differ from each other; nothing is worked out for it. */
  isUnique(): boolean {
    return this.#coded?.count === this.length;
  }

  protected readNumbers(): Float64Array {
    const numbers = new Float64Array(this.length);
    for (let row = 0; row < numbers.length; row++) {
      const text = this.text(row);
      numbers[row] = plainNumber.test(text) ? Number(text) : Number.NaN;
    }
    return numbers;
  }

  protected encode(): Coded {
    const places = new Map<string, number>();
    const codes = new Int32Array(this.length);
    for (let row = 0; row < codes.length; row++) {
      const text = this.text(row);
      let code = places.get(text);
      if (code === undefined) {
        code = places.size;
        places.set(text, code);
      }
      codes[row] = code;
    }
    const texts = [...places.keys()];
    return { codes, count: texts.length, text: (code) => texts[code]! };
  }
}

/**
 * A column whose texts are known one by one.
 *
 * @example
 * ```ts
 * new ListColumn("lr", ["0.001", "0.002"]).length; // => 2
 * ```
 */
export class ListColumn extends Column {
  readonly #texts: readonly string[];

  constructor(name: string, texts: readonly string[]) {
    super(name, texts.length);
    this.#texts = texts;
  }

  text(row: number): string {
    return this.#texts[row]!;
  }
}

/** A column with one text in all rows. */
export class ConstantColumn extends Column {
  readonly #text: string;

  constructor(name: string, length: number, text: string) {
    super(name, length);
    this.#text = text;
  }

  text(): string {
    return this.#text;
  }
}

/** Tables below each other: a cell is empty where a table lacks the column. */
class JoinedColumn extends Column {
  readonly #parts: readonly (Column | null)[];
  readonly #starts: readonly number[];

  constructor(name: string, parts: readonly (Column | null)[], starts: readonly number[], length: number) {
    super(name, length);
    this.#parts = parts;
    this.#starts = starts;
  }

  text(row: number): string {
    let part = 0;
    while (part + 1 < this.#starts.length && this.#starts[part + 1]! <= row) part++;
    return this.#parts[part]?.text(row - this.#starts[part]!) ?? "";
  }
}

export interface Table {
  readonly columns: readonly Column[];
  readonly length: number;
  /** How cells separate what they hold: where it's a comma, a number with a comma was quoted. */
  readonly delimiter: string | null;
  /** Where a row stands, as one would look for it: `row 3`, `line 7 of b.csv`. */
  place(row: number): string;
  /** What reading the text decided, in sentences. */
  readonly notes: readonly string[];
  /** Tells rows apart faster than cell by cell, where the table can. */
  readonly rows?: RowIdentity;
}

/** Equal rows have equal hashes; `equal` says of two whether they are. */
export interface RowIdentity {
  readonly hashes: () => Int32Array;
  equal(a: number, b: number): boolean;
}

/**
 * @param place - by default rows are counted as a spreadsheet does, the header being row 1
 *
 * @example
 * ```ts
 * const table = makeTable([new ListColumn("lr", ["0.001", "0.002"]), new ListColumn("loss", ["3.2", "3.1"])], 2);
 * table.place(0); // => "row 2"
 * ```
 */
export function makeTable(
  columns: readonly Column[],
  length: number,
  { delimiter = null, place = (row) => `row ${row + 2}`, notes = [], rows }: Partial<Table> = {},
): Table {
  return { columns, length, delimiter, place, notes, ...(rows !== undefined && { rows }) };
}

/** Tables below each other, by the names of their columns. */
export function joinTables(tables: readonly Table[]): Table {
  if (tables.length === 1) return tables[0]!;
  const starts: number[] = [];
  let length = 0;
  for (const table of tables) {
    starts.push(length);
    length += table.length;
  }
  const names = [...new Set(tables.flatMap(({ columns }) => columns.map(({ name }) => name)))];
  const columns = names.map(
    (name) =>
      new JoinedColumn(
        name,
        tables.map((table) => table.columns.find((column) => column.name === name) ?? null),
        starts,
        length,
      ),
  );
  return makeTable(columns, length, {
    delimiter: tables.every(({ delimiter }) => delimiter === tables[0]!.delimiter)
      ? tables[0]!.delimiter
      : null,
    place(row) {
      let part = 0;
      while (part + 1 < starts.length && starts[part + 1]! <= row) part++;
      return tables[part]!.place(row - starts[part]!);
    },
    notes: [...new Set(tables.flatMap(({ notes }) => notes))],
  });
}
