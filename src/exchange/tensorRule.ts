/** How one tensor of a file is made of parameters, and they of it. Parameters are `[fan-in, fan-out]`, tensors of PyTorch the other way. */
export interface TensorRule {
  /** Name in the file, without the prefix of the model. */
  readonly name: string;
  /** Whether the name is outside of the part that the prefix names, as the head is. */
  readonly isOuter?: boolean;
  /** Paths of the parameters that the tensor holds. */
  readonly paths: readonly string[];
  /** Shape of the tensor. @param shapes - of the parameters */
  shape(shapes: readonly (readonly number[])[]): readonly number[];
  /**
   * Puts rows of the tensor where they belong in its parameters. A matrix may come in pieces of whole rows; a vector comes whole.
   *
   * @param first - number of the first of these rows
   */
  place(
    rows: Float32Array,
    first: number,
    parts: readonly Float32Array[],
    shapes: readonly (readonly number[])[],
  ): void;
  /** The tensor. */
  join(parts: readonly Float32Array[], shapes: readonly (readonly number[])[]): Float32Array;
}

/** Zeros for the parameters of a tensor. */
export const emptyParts = (shapes: readonly (readonly number[])[]): Float32Array<ArrayBuffer>[] =>
  shapes.map((shape) => new Float32Array(shape.reduce((a, b) => a * b)));

/** The parameters of a tensor. @param data - of the whole tensor, row by row */
export function splitTensor(
  rule: TensorRule,
  data: Float32Array,
  shapes: readonly (readonly number[])[],
): Float32Array<ArrayBuffer>[] {
  const parts = emptyParts(shapes);
  rule.place(data, 0, parts, shapes);
  return parts;
}

/** Side of the squares that a matrix is transposed by: as many rows of it as a core's first cache keeps apart where widths are powers of 2. */
const tile = 8;

/** Makes rows of a matrix columns of `target`, from column `first` on. @param data - the rows, each of so many columns */
function placeTransposed(
  data: Float32Array,
  columns: number,
  target: Float32Array,
  first: number,
  width: number,
): void {
  const rows = data.length / columns;
  for (let top = 0; top < rows; top += tile) {
    const bottom = Math.min(top + tile, rows);
    for (let j = 0; j < columns; j++) {
      let to = j * width + first + top;
      let from = top * columns + j;
      if (bottom - top < tile) {
        for (let i = top; i < bottom; i++, from += columns) target[to++] = data[from]!;
        continue;
      }
      // Written out: twice as fast as the loop.
      target[to] = data[from]!;
      target[to + 1] = data[from + columns]!;
      target[to + 2] = data[from + 2 * columns]!;
      target[to + 3] = data[from + 3 * columns]!;
      target[to + 4] = data[from + 4 * columns]!;
      target[to + 5] = data[from + 5 * columns]!;
      target[to + 6] = data[from + 6 * columns]!;
      target[to + 7] = data[from + 7 * columns]!;
    }
  }
}

/** @param data - `[rows, columns]`, row by row */
export function transposed(data: Float32Array, rows: number, columns: number): Float32Array<ArrayBuffer> {
  const result = new Float32Array(data.length);
  placeTransposed(data, columns, result, 0, rows);
  return result;
}

/** A tensor that is a parameter as it stands. */
export function same(name: string, path: string): TensorRule {
  return {
    name,
    paths: [path],
    shape: ([shape]) => shape!,
    place(rows, first, [part], [shape]) {
      const rowLength = shape!.slice(1).reduce((a, b) => a * b, 1);
      part!.set(rows, first * rowLength);
    },
    join: ([part]) => part!,
  };
}

/** A matrix `[fan-out, fan-in]`, as of PyTorch's `Linear`. */
export function linearWeight(name: string, path: string): TensorRule {
  return {
    name,
    paths: [path],
    shape: ([shape]) => [shape![1]!, shape![0]!],
    place(rows, first, [part], [shape]) {
      placeTransposed(rows, shape![0]!, part!, first, shape![1]!);
    },
    join: ([part], [shape]) => transposed(part!, shape![0]!, shape![1]!),
  };
}

/** Matrices `[fan-in, ..]`, or vectors, side by side along the last axis, as GPT-2 has queries, keys and values. */
export function sideBySide(name: string, paths: readonly string[]): TensorRule {
  const widths = (shapes: readonly (readonly number[])[]) => shapes.map((shape) => shape.at(-1)!);
  const whole = (shapes: readonly (readonly number[])[]) => widths(shapes).reduce((a, b) => a + b, 0);
  const eachRow = (
    shapes: readonly (readonly number[])[],
    rows: number,
    visit: (part: number, row: number, width: number, start: number) => void,
  ) => {
    for (let row = 0; row < rows; row++) {
      let start = row * whole(shapes);
      widths(shapes).forEach((width, part) => {
        visit(part, row, width, start);
        start += width;
      });
    }
  };
  return {
    name,
    paths,
    shape: (shapes) => [...shapes[0]!.slice(0, -1), whole(shapes)],
    place(rows, first, parts, shapes) {
      eachRow(shapes, rows.length / whole(shapes), (part, row, width, start) => {
        parts[part]!.set(rows.subarray(start, start + width), (first + row) * width);
      });
    },
    join(parts, shapes) {
      const data = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
      eachRow(shapes, data.length / whole(shapes), (part, row, width, start) => {
        data.set(parts[part]!.subarray(row * width, (row + 1) * width), start);
      });
      return data;
    },
  };
}

/** Where row `i` of a tensor comes from: the number of the parameter and its column. */
type RowSource = (row: number) => readonly [part: number, column: number];

/** A `Linear` of PyTorch, weight or bias, whose rows are columns of the parameters in an order of its own. */
function rowsFrom(name: string, paths: readonly string[], source: RowSource): TensorRule {
  const numRows = (shapes: readonly (readonly number[])[]) =>
    shapes.reduce((sum, shape) => sum + shape.at(-1)!, 0);
  return {
    name,
    paths,
    shape: (shapes) => [numRows(shapes), ...shapes[0]!.slice(0, -1)],
    place(rows, first, parts, shapes) {
      const fanIn = shapes[0]!.length === 1 ? 1 : shapes[0]![0]!;
      for (let row = 0; row < rows.length / fanIn; row++) {
        const [part, column] = source(first + row);
        const width = shapes[part]!.at(-1)!;
        const target = parts[part]!;
        for (let i = 0; i < fanIn; i++) target[i * width + column] = rows[row * fanIn + i]!;
      }
    },
    join(parts, shapes) {
      const fanIn = shapes[0]!.length === 1 ? 1 : shapes[0]![0]!;
      const data = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
      for (let row = 0; row < numRows(shapes); row++) {
        const [part, column] = source(row);
        const width = shapes[part]!.at(-1)!;
        for (let i = 0; i < fanIn; i++) data[row * fanIn + i] = parts[part]![i * width + column]!;
      }
      return data;
    },
  };
}

/** Queries, keys and values of one head after the other, as GPT-NeoX has them: `[head, (q, k, v), headDim]`. */
export function headByHead(name: string, paths: readonly string[], headDim: number): TensorRule {
  return rowsFrom(name, paths, (row) => {
    const head = Math.floor(row / (paths.length * headDim));
    return [Math.floor(row / headDim) % paths.length, head * headDim + (row % headDim)];
  });
}

/**
 * A `Linear` that makes heads, with the halves of each exchanged. A head whose second half comes first turns the other way: nanochat's queries and
 * keys do so, and scores stay the same if both do.
 */
export function halvesExchanged(name: string, path: string, headDim: number): TensorRule {
  return rowsFrom(name, [path], (row) => {
    const place = row % headDim;
    return [0, row - place + ((place + headDim / 2) % headDim)];
  });
}
