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
  /** The parameters. @param data - of the tensor, row by row */
  split(data: Float32Array, shapes: readonly (readonly number[])[]): readonly Float32Array[];
  /** The tensor. */
  join(parts: readonly Float32Array[], shapes: readonly (readonly number[])[]): Float32Array;
}

/** Side of the squares that a matrix is transposed by: two of them fit in a core's first cache. */
const tile = 32;

/** @param data - `[rows, columns]`, row by row */
export function transposed(data: Float32Array, rows: number, columns: number): Float32Array<ArrayBuffer> {
  const result = new Float32Array(data.length);
  for (let top = 0; top < rows; top += tile) {
    const bottom = Math.min(top + tile, rows);
    for (let left = 0; left < columns; left += tile) {
      const right = Math.min(left + tile, columns);
      for (let i = top; i < bottom; i++)
        for (let j = left; j < right; j++) result[j * rows + i] = data[i * columns + j]!;
    }
  }
  return result;
}

/** A tensor that is a parameter as it stands. */
export function same(name: string, path: string): TensorRule {
  return {
    name,
    paths: [path],
    shape: ([shape]) => shape!,
    split: (data) => [data],
    join: ([part]) => part!,
  };
}

/** A matrix `[fan-out, fan-in]`, as of PyTorch's `Linear`. */
export function linearWeight(name: string, path: string): TensorRule {
  return {
    name,
    paths: [path],
    shape: ([shape]) => [shape![1]!, shape![0]!],
    split: (data, [shape]) => [transposed(data, shape![1]!, shape![0]!)],
    join: ([part], [shape]) => transposed(part!, shape![0]!, shape![1]!),
  };
}

/** Matrices `[fan-in, ..]`, or vectors, side by side along the last axis, as GPT-2 has queries, keys and values. */
export function sideBySide(name: string, paths: readonly string[]): TensorRule {
  const widths = (shapes: readonly (readonly number[])[]) => shapes.map((shape) => shape.at(-1)!);
  const whole = (shapes: readonly (readonly number[])[]) => widths(shapes).reduce((a, b) => a + b, 0);
  const eachRow = (
    shapes: readonly (readonly number[])[],
    visit: (part: number, row: number, width: number, start: number) => void,
  ) => {
    const rows = shapes[0]!.length === 1 ? 1 : shapes[0]![0]!;
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
    split(data, shapes) {
      const parts = shapes.map((shape) => new Float32Array(shape.reduce((a, b) => a * b)));
      eachRow(shapes, (part, row, width, start) => {
        parts[part]!.set(data.subarray(start, start + width), row * width);
      });
      return parts;
    },
    join(parts, shapes) {
      const data = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
      eachRow(shapes, (part, row, width, start) => {
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
    split(data, shapes) {
      const parts = shapes.map((shape) => new Float32Array(shape.reduce((a, b) => a * b)));
      const fanIn = shapes[0]!.length === 1 ? 1 : shapes[0]![0]!;
      for (let row = 0; row < numRows(shapes); row++) {
        const [part, column] = source(row);
        const width = shapes[part]!.at(-1)!;
        for (let i = 0; i < fanIn; i++) parts[part]![i * width + column] = data[row * fanIn + i]!;
      }
      return parts;
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
