import { DType } from "@jax-js/jax";
import type { Tensor, TensorType } from "../graph.ts";
import type { Lowering } from "../lowering.ts";
import { unsupported } from "../unsupported.ts";
import type { Value } from "../value.ts";
import type { PrimitiveRule, PrimitiveRules } from "./rule.ts";

/** Unrolled factorizations add a few nodes per row; beyond this size the graph would take seconds to load. */
const maxUnrolled = 128;
/** Fourier transforms are products with an n × n matrix, which beyond this size costs more than it gives. */
const maxFourier = 4096;

const range = (n: number) => Array.from({ length: n }, (_, i) => i);

/** Sorts the last axis ascending with TopK; ties keep their order and NaN comes last. */
function sorted(lowering: Lowering, value: Value): { values: Tensor; order: Tensor } {
  const { graph } = lowering;
  const dense = lowering.dense(value);
  const { shape } = dense;
  const axis = shape.length - 1;
  const sortable: TensorType =
    dense.type === "bool" ? "int32" : dense.type === "uint32" ? "int64" : dense.type;
  const k = graph.indices([shape[axis]!]);
  const keys = graph.cast(dense, sortable);
  const topK = (input: Tensor) =>
    graph.node(
      "TopK",
      [input, k],
      [
        { type: input.type, shape },
        { type: "int64", shape },
      ],
      { axis, largest: 0, sorted: 1 },
    ) as [Tensor, Tensor];
  const pick = (source: Tensor, order: Tensor) =>
    graph.op("GatherElements", [source, order], source.type, shape, { axis });
  if (sortable !== "float32" && sortable !== "float64") {
    const [values, order] = topK(keys);
    return { values: graph.cast(values, dense.type), order };
  }
  // TopK has no order for NaN. Sort with NaN as +∞, then move the NaNs behind, by a second, stable sort of the flags.
  const isNan = graph.op("IsNaN", [keys], "bool", shape);
  const infinite = graph.scalar(sortable, Number.POSITIVE_INFINITY);
  const [, byValue] = topK(graph.op("Where", [isNan, infinite, keys], sortable, shape));
  const flags = pick(graph.cast(isNan, "int32"), byValue);
  const [, byFlag] = topK(flags);
  const order = pick(byValue, byFlag);
  return { values: pick(dense, order), order };
}

const sort: PrimitiveRule = {
  support: "all",
  operators: "TopK",
  lower: (lowering, [x]) => [lowering.contiguous(sorted(lowering, x!).values, x!.dtype)],
};

const argsort: PrimitiveRule = {
  support: "all",
  operators: "TopK",
  lower(lowering, [x]) {
    const { values, order } = sorted(lowering, x!);
    const int32 = DType.Int32;
    return [
      lowering.contiguous(values, x!.dtype),
      lowering.contiguous(lowering.graph.cast(order, "int32"), int32),
    ];
  },
};

/** Small helpers over dense tensors [.., n, m] of one float type. */
class Matrices {
  readonly lowering: Lowering;
  readonly type: TensorType;

  constructor(lowering: Lowering, type: TensorType) {
    this.lowering = lowering;
    this.type = type;
  }

  part(t: Tensor, axis: number, start: number, end: number): Tensor {
    const { graph } = this.lowering;
    const position = t.shape.length + axis;
    const inputs = [t, graph.indices([start]), graph.indices([end]), graph.indices([position])];
    return graph.op("Slice", inputs, t.type, t.shape.with(position, end - start));
  }

  binary(op: string, a: Tensor, b: Tensor): Tensor {
    const shape = a.shape.map((size, i) => Math.max(size, b.shape[i]!));
    return this.lowering.graph.op(op, [a, b], this.type, shape);
  }

  join(parts: readonly Tensor[], axis: number): Tensor {
    const first = parts[0]!;
    if (parts.length === 1) return first;
    const position = first.shape.length + axis;
    const size = parts.reduce((sum, t) => sum + t.shape[position]!, 0);
    return this.lowering.graph.op("Concat", parts, this.type, first.shape.with(position, size), {
      axis: position,
    });
  }

  product(a: Tensor, b: Tensor): Tensor {
    const shape = [...a.shape.slice(0, -1), b.shape.at(-1)!];
    return this.lowering.graph.op("MatMul", [a, b], this.type, shape);
  }

  transposed(t: Tensor): Tensor {
    const rank = t.shape.length;
    return this.lowering.graph.transpose(t, [...range(rank - 2), rank - 1, rank - 2]);
  }
}

/** Solves `A xᵀ = bᵀ` for upper triangular A by back substitution, row by row. */
const triangularSolve: PrimitiveRule = {
  support: `matrices up to ${maxUnrolled} × ${maxUnrolled}`,
  operators: "Slice, MatMul, Sub, Div, Concat (unrolled)",
  lower(lowering, [a, b], equation) {
    const n = a!.view.shape.at(-1)!;
    if (n > maxUnrolled)
      throw unsupported(equation, `n = ${n} is above ${maxUnrolled}; solve it with jax-js outside`);
    const matrix = lowering.dense(a!);
    const right = lowering.dense(b!);
    const m = new Matrices(lowering, matrix.type);
    let solved: Tensor | undefined;
    for (let i = n - 1; i >= 0; i--) {
      let x = m.part(right, -1, i, i + 1);
      const row = m.part(matrix, -2, i, i + 1);
      if (solved !== undefined) {
        const known = m.product(solved, m.transposed(m.part(row, -1, i + 1, n)));
        x = m.binary("Sub", x, known);
      }
      if (equation.params.unitDiagonal !== true) x = m.binary("Div", x, m.part(row, -1, i, i + 1));
      solved = solved === undefined ? x : m.join([x, solved], -1);
    }
    return [lowering.contiguous(solved ?? right, b!.dtype)];
  },
};

/** Column by column: `L[j:, j] = (A[j:, j] − L[j:, :j] L[j, :j]ᵀ) / L[j, j]`. */
const cholesky: PrimitiveRule = {
  support: `matrices up to ${maxUnrolled} × ${maxUnrolled}`,
  operators: "Slice, MatMul, Sub, Sqrt, Div, Concat (unrolled)",
  lower(lowering, [a], equation) {
    const { graph } = lowering;
    const n = a!.view.shape.at(-1)!;
    if (n > maxUnrolled)
      throw unsupported(equation, `n = ${n} is above ${maxUnrolled}; factorize it with jax-js outside`);
    const matrix = lowering.dense(a!);
    const m = new Matrices(lowering, matrix.type);
    const columns: Tensor[] = [];
    for (let j = 0; j < n; j++) {
      let column = m.part(m.part(matrix, -1, j, j + 1), -2, j, n);
      if (j > 0) {
        const left = m.part(m.join(columns, -1), -2, j, n);
        column = m.binary("Sub", column, m.product(left, m.transposed(m.part(left, -2, 0, 1))));
      }
      const diagonal = m.part(column, -2, 0, 1);
      const pivot = graph.op("Sqrt", [diagonal], m.type, diagonal.shape);
      const below = n - j > 1 ? [m.binary("Div", m.part(column, -2, 1, n - j), pivot)] : [];
      const zeros = j > 0 ? [zerosLike(lowering, column.shape.with(-2, j), m.type)] : [];
      columns.push(m.join([...zeros, pivot, ...below], -2));
    }
    return [lowering.contiguous(n === 0 ? matrix : m.join(columns, -1), a!.dtype)];
  },
};

function zerosLike({ graph }: Lowering, shape: readonly number[], type: TensorType): Tensor {
  return graph.op("Expand", [graph.scalar(type, 0), graph.indices(shape)], type, shape);
}

/** The discrete Fourier transform of the last axis as products with its cosine and sine matrices. */
const fft: PrimitiveRule = {
  support: `last axis up to ${maxFourier}`,
  operators: "MatMul",
  lower(lowering, [real, imag], equation) {
    const { graph } = lowering;
    const n = real!.view.shape.at(-1)!;
    if (n > maxFourier)
      throw unsupported(equation, `${n} points are above ${maxFourier}; transform them with jax-js outside`);
    const inverse = equation.params.inverse === true;
    const scale = inverse ? 1 / n : 1;
    const type = real!.tensor.type;
    const table = (f: (angle: number) => number) => {
      const values = range(n * n).map((i) => {
        const phase = (Math.floor(i / n) * (i % n)) % n;
        return scale * f((2 * Math.PI * phase) / n);
      });
      const data = type === "float64" ? Float64Array.from(values) : Float32Array.from(values);
      return graph.constant(type, [n, n], data);
    };
    const cosine = table(Math.cos);
    const sine = table((angle) => (inverse ? Math.sin(angle) : -Math.sin(angle)));
    const [re, im] = [lowering.dense(real!), lowering.dense(imag!)];
    const product = (a: Tensor, b: Tensor) => graph.op("MatMul", [a, b], type, a.shape);
    const outReal = graph.op("Sub", [product(re, cosine), product(im, sine)], type, re.shape);
    const outImag = graph.op("Add", [product(re, sine), product(im, cosine)], type, re.shape);
    return [lowering.contiguous(outReal, real!.dtype), lowering.contiguous(outImag, real!.dtype)];
  },
};

function notLowered(advice: string): PrimitiveRule {
  return {
    support: "unsupported",
    operators: "none",
    lower(_lowering, _inputs, equation) {
      throw unsupported(equation, advice);
    },
  };
}

export const routineRules: PrimitiveRules = {
  sort,
  argsort,
  triangular_solve: triangularSolve,
  cholesky,
  fft,
  lu: notLowered("its pivoting depends on values; call it with jax-js outside the compiled function"),
  jacobi_eigh: notLowered("its sweeps depend on values; call it with jax-js outside the compiled function"),
};
