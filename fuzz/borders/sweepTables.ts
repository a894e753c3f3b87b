import assert from "node:assert/strict";
import fc from "fast-check";
import { readSweep } from "../../src/scaling/index.ts";
import { accepted, border, refused } from "../border.ts";

interface Row {
  readonly learningRate: number;
  readonly batchSize: number;
  /** NaN: diverged. */
  readonly loss: number;
}

const forms = [
  "commas",
  "semicolons",
  "tabs",
  "bars",
  "quoted",
  "decimal commas",
  "Markdown",
  "JSON",
  "JSON lines",
  "JSON columns",
] as const;

interface Input {
  readonly rows: readonly Row[];
  readonly names: readonly [rate: string, batch: string, loss: string];
  /** Places of the columns. */
  readonly order: readonly number[];
  readonly form: (typeof forms)[number];
  readonly exponents: boolean;
  readonly lineEnd: "\n" | "\r\n";
  readonly encoding: "utf8" | "marked utf8" | "utf16le" | "text";
  readonly damage:
    | { readonly kind: "none" }
    | { readonly kind: "cell"; readonly row: number; readonly column: number; readonly put: string }
    | { readonly kind: "column"; readonly column: number }
    | { readonly kind: "text"; readonly at: number; readonly less: number; readonly put: string };
}

const separators: Partial<Record<Input["form"], string>> = {
  commas: ",",
  semicolons: ";",
  tabs: "\t",
  bars: "|",
  quoted: ",",
  "decimal commas": ";",
};

/** Names, and rows of cells, as text. */
function write(input: Input): string {
  const { form, lineEnd, damage } = input;
  const number = (value: number) => {
    if (Number.isNaN(value)) return "NaN";
    const text = input.exponents ? value.toExponential() : `${value}`;
    return form === "decimal commas" ? text.replace(".", ",") : text;
  };
  const cells = input.rows.map(({ learningRate, batchSize, loss }) =>
    [learningRate, batchSize, loss].map(number),
  );
  if (damage.kind === "cell") cells[damage.row % cells.length]![damage.column] = damage.put;
  const order = input.order.filter((column) => damage.kind !== "column" || column !== damage.column);
  const header = order.map((column) => input.names[column]!);
  const lines = cells.map((row) => order.map((column) => row[column]!));
  const json = (text: string) => (/^-?\d+(\.\d+)?(e[+-]?\d{1,2})?$/.test(text) ? Number(text) : text);
  const objects = lines.map((row) => Object.fromEntries(row.map((text, i) => [header[i]!, json(text)])));
  switch (form) {
    case "JSON":
      return JSON.stringify(objects);
    case "JSON lines":
      return objects.map((row) => `${JSON.stringify(row)}${lineEnd}`).join("");
    case "JSON columns":
      return JSON.stringify(
        Object.fromEntries(header.map((name, i) => [name, lines.map((row) => json(row[i]!))])),
      );
    case "Markdown":
      return [header, header.map(() => "---"), ...lines]
        .map((row) => `| ${row.join(" | ")} |${lineEnd}`)
        .join("");
    default: {
      const quote = (text: string) => (form === "quoted" ? `"${text}"` : text);
      return [header, ...lines].map((row) => `${row.map(quote).join(separators[form])}${lineEnd}`).join("");
    }
  }
}

function encode(text: string, encoding: Input["encoding"]): string | Uint8Array {
  if (encoding === "text") return text;
  if (encoding === "utf16le") return new Uint8Array(Buffer.from(`\ufeff${text}`, "utf16le"));
  return new Uint8Array(Buffer.from(encoding === "utf8" ? text : `\ufeff${text}`, "utf8"));
}

const row = fc.record<Row>(
  {
    learningRate: fc.oneof(
      fc.integer({ min: -24, max: 2 }).map((power) => 2 ** power),
      fc.integer({ min: 1, max: 999 }).map((thousandths) => thousandths / 1e5),
      fc.double({ min: 1e-12, max: 10, noNaN: true }),
    ),
    batchSize: fc.oneof(
      fc.integer({ min: 0, max: 24 }).map((power) => 2 ** power),
      fc.integer({ min: 1, max: 5000 }),
    ),
    loss: fc.oneof(
      { weight: 8, arbitrary: fc.double({ min: 1e-3, max: 20, noNaN: true }) },
      { weight: 1, arbitrary: fc.constant(Number.NaN) },
    ),
  },
  { noNullPrototype: true },
);
const column = fc.nat({ max: 2 });

/** What can't be the cell of a setting. */
const junk = ["abc", "-1", "0", "1e999", "1e-999", "0x10", "1_0", "1 0", "--", "1e", "NaN", "inf", "1.2.3"];

export default border<Input>({
  oracle:
    "the planted rows, in their order, whatever the table's form; what is no number is never taken for one",
  inputs: fc.record<Input>(
    {
      rows: fc.uniqueArray(row, {
        selector: ({ learningRate, batchSize }) => `${learningRate} ${batchSize}`,
        minLength: 1,
        maxLength: 8,
      }),
      names: fc.tuple(
        fc.constantFrom("lr", "learning_rate", "learningRate", "config.lr", "params/learning_rate", "LR"),
        fc.constantFrom("batch_size", "batchSize", "bs", "config.batch_size", "Batch Size"),
        fc.constantFrom("loss", "val_loss", "eval/loss", "valLoss", "metrics.val_loss"),
      ),
      order: fc.shuffledSubarray([0, 1, 2], { minLength: 3 }),
      form: fc.constantFrom(...forms),
      exponents: fc.boolean(),
      lineEnd: fc.constantFrom("\n" as const, "\r\n" as const),
      encoding: fc.constantFrom("text" as const, "utf8" as const, "marked utf8" as const, "utf16le" as const),
      damage: fc.oneof(
        { weight: 3, arbitrary: fc.constant({ kind: "none" as const }) },
        {
          weight: 1,
          arbitrary: fc.record(
            {
              kind: fc.constant("cell" as const),
              row: fc.nat({ max: 7 }),
              column,
              put: fc.constantFrom(...junk),
            },
            { noNullPrototype: true },
          ),
        },
        {
          weight: 1,
          arbitrary: fc.record({ kind: fc.constant("column" as const), column }, { noNullPrototype: true }),
        },
        {
          weight: 1,
          arbitrary: fc.record(
            {
              kind: fc.constant("text" as const),
              at: fc.nat({ max: 400 }),
              less: fc.nat({ max: 3 }),
              put: fc.oneof(
                fc.constantFrom(
                  "",
                  '"',
                  "\n",
                  ",",
                  "|",
                  "{",
                  "]",
                  "\u0000",
                  "\ufeff",
                  "# ",
                  "e",
                  "__proto__",
                ),
                fc.string({ unit: "binary", maxLength: 3 }),
              ),
            },
            { noNullPrototype: true },
          ),
        },
      ),
    },
    { noNullPrototype: true },
  ),
  check: (input) => {
    const { rows, damage, form } = input;
    const text = write(input);
    // A comma between digits alone is open to both readings.
    const options = form === "decimal commas" ? { decimal: "," as const } : {};
    if (damage.kind === "text") {
      const at = damage.at % (text.length + 1);
      const changed = text.slice(0, at) + damage.put + text.slice(at + damage.less);
      const { rows: read } = readSweep(encode(changed, input.encoding), options);
      for (const { learningRate, batchSize, loss } of read) {
        assert.ok(learningRate > 0 && Number.isFinite(learningRate));
        assert.ok(batchSize > 0 && Number.isFinite(batchSize));
        assert.equal(typeof loss, "number");
      }
      return;
    }
    const read = () => readSweep(encode(text, input.encoding), options);
    if (damage.kind === "column" && damage.column === 2) {
      // Without a loss it is a table of optima, one for each batch size.
      const table = read();
      assert.deepEqual(table.rows, []);
      const own = ({ batchSize, learningRate }: Omit<Row, "loss">) => ({ batchSize, learningRate });
      const byBatch = (a: Omit<Row, "loss">, b: Omit<Row, "loss">) => a.batchSize - b.batchSize;
      assert.deepEqual(table.optima.map(own).sort(byBatch), rows.map(own).sort(byBatch));
      return;
    }
    if (damage.kind === "column") return refused(read, `no column ${input.names[damage.column]}`);
    if (damage.kind === "cell" && damage.column < 2) {
      const { rows: others } = read();
      // A run without a setting may be left out, never read as another.
      const place = damage.row % rows.length;
      assert.equal(others.length, rows.length - 1, `${damage.put} is taken`);
      assert.deepEqual(plain(others), plain(rows.filter((_, i) => i !== place)));
      return;
    }
    if (damage.kind === "cell") {
      for (const [i, own] of read().rows.entries()) {
        if (i !== damage.row % rows.length) assert.deepEqual(plain([own]), plain([rows[i]!]));
        else
          assert.ok(
            !Number.isFinite(own.loss) || own.loss === Number(damage.put),
            `${damage.put} is ${own.loss}`,
          );
      }
      return;
    }
    // All diverged: there may be nothing to fit.
    const table = rows.every(({ loss }) => Number.isNaN(loss)) ? read() : accepted(read);
    assert.deepEqual(plain(table.rows), plain(rows));
  },
});

function plain(rows: readonly Row[]): Row[] {
  return rows.map(({ learningRate, batchSize, loss }) => ({ learningRate, batchSize, loss }));
}
