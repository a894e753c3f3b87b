import type { ComponentChildren } from "preact";
import { Scroller } from "./scroller.tsx";

export interface TableColumn<Row> {
  /** Unlike those of the other columns. */
  readonly key: string;
  /** Empty for a column that says nothing of itself. */
  readonly label: string;
  /** What a pointer that rests on the label is told. */
  readonly hint?: string;
  /** Numbers stand to the right. */
  readonly isNumber?: boolean;
  /** Whether it names the row. */
  readonly isHeading?: boolean;
  /** Whether its cells are of less weight. */
  readonly isQuiet?: boolean;
  cell(row: Row, place: number): ComponentChildren;
}

/** Rows under headings, in a frame that scrolls by itself. */
export function Table<Row>({
  label,
  caption,
  columns,
  rows,
  rowKey,
}: {
  /** What a screen reader calls it. */
  readonly label: string;
  /** Shown above. */
  readonly caption?: string;
  readonly columns: readonly TableColumn<Row>[];
  readonly rows: readonly Row[];
  readonly rowKey: (row: Row, place: number) => string | number;
}) {
  const classOf = ({ isNumber = false, isQuiet = false }: TableColumn<Row>) =>
    `${isNumber ? "number" : ""}${isQuiet ? " quiet" : ""}`;
  return (
    <Scroller kind="scroll" label={label}>
      <table>
        {caption !== undefined && <caption>{caption}</caption>}
        <thead>
          <tr>
            {columns.map(({ key, label: name, hint, isNumber }) =>
              name === "" ? (
                <td key={key} />
              ) : (
                <th key={key} scope="col" class={isNumber ? "number" : ""} title={hint}>
                  {name}
                </th>
              ),
            )}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, place) => (
            <tr key={rowKey(row, place)}>
              {columns.map((column) =>
                column.isHeading ? (
                  <th key={column.key} scope="row" class={classOf(column)}>
                    {column.cell(row, place)}
                  </th>
                ) : (
                  <td key={column.key} class={classOf(column)}>
                    {column.cell(row, place)}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroller>
  );
}
