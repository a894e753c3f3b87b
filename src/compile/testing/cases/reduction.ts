import { type DType, grad, numpy as np, vmap } from "@jax-js/jax";
import { arrayOf, float32, randomArray } from "../arrays.ts";
import { roundingOfFloat32, type Tolerance } from "../compareWithJax.ts";
import {
  allDtypes,
  Bool,
  CaseTable,
  exact,
  Float32,
  Float64,
  Int32,
  sample,
  shapes,
  specialValues,
  Uint32,
} from "../primitiveCase.ts";

const table = new CaseTable();

/** Sums of up to some hundred terms around 1, in another order. */
const sums: Tolerance = { relative: 1e-6, absolute: 2e-6 };
const sumsOf = (dtype: DType) =>
  dtype === Float32 ? sums : dtype === Float64 ? { relative: 1e-13, absolute: 1e-14 } : exact;

for (const [name, op] of [
  ["sum", np.sum],
  ["prod", np.prod],
  ["min", np.min],
  ["max", np.max],
] as const) {
  for (const dtype of allDtypes) {
    // Where jax-js 0.1.25 reduces four booleans at once, it multiplies them wrongly.
    if (dtype === Bool && name === "prod") {
      table.addInterpreted(
        "reduce",
        "prod, bool",
        (x: np.Array) => [op(x.ref), op(x.ref, 0), op(x.ref, 1), op(x.transpose([1, 0]), 0)],
        () => [arrayOf(Bool, [2, 4], [1, 1, 0, 0, 1, 0, 1, 0])],
      );
      continue;
    }
    table.add(
      "reduce",
      `${name}, ${dtype}, over every set of axes`,
      (x: np.Array) => [
        op(x.ref),
        op(x.ref, 0),
        op(x.ref, 1),
        op(x.ref, -1, { keepdims: true }),
        op(x.ref, [0, 1]),
        op(x.ref, [0, 2]),
        op(x.ref, [1, 2]),
        op(x.ref, [0, 1, 2], { keepdims: true }),
        op(x, []),
      ],
      () => [sample(dtype, [2, 3, 4], 1)],
      sumsOf(dtype),
    );
    table.add(
      "reduce",
      `${name}, ${dtype}, of moved, merged and broadcast arrays`,
      (x: np.Array, y: np.Array) => [
        op(x.ref.transpose([2, 0, 1]), 1),
        op(x.ref.transpose([1, 2, 0]), [0, 2]),
        op(x.ref.reshape([6, 4]), 0),
        op(x.ref.transpose([1, 0, 2]).reshape([6, 4]), 1),
        op(x.ref.reshape([2, 3, 2, 2]).transpose([3, 1, 0, 2]), [0, 2]),
        op(np.broadcastTo(y.ref, [3, 4]), 0),
        op(np.broadcastTo(y.ref, [3, 4]), 1),
        op(np.broadcastTo(y.ref, [3, 4])),
        op(np.broadcastTo(y.reshape([4, 1]), [2, 4, 3]).reshape([2, 12]), 1),
        op(x.slice([], [1, 3]), [1]),
      ],
      () => [sample(dtype, [2, 3, 4], 2), sample(dtype, [4], 3)],
      sumsOf(dtype),
    );
    table.add(
      "reduce",
      `${name}, ${dtype}, all ranks`,
      (...xs: np.Array[]) => xs.map((x) => op(x)),
      () => shapes.map((shape, i) => sample(dtype, shape, i)),
      sumsOf(dtype),
    );
    table.add(
      "reduce",
      `${name}, ${dtype}, over empty axes`,
      (x: np.Array) => [op(x.ref), op(x.ref, 0), op(x.ref, 1), op(x, 2)],
      () => [arrayOf(dtype, [2, 0, 3], [])],
    );
  }
  for (const dtype of [Int32, Uint32]) {
    const values = specialValues(dtype);
    const fn = (x: np.Array, y: np.Array) => [op(x), op(y, 0)];
    const args = () => [
      arrayOf(dtype, [values.length], values),
      arrayOf(dtype, [2, values.length], [...values, ...values].reverse()),
    ];
    const label = `${name}, ${dtype}, values that overflow`;
    if (name !== "prod") table.add("reduce", label, fn, args);
    else if (dtype === Int32) table.addInterpreted("reduce", label, fn, args);
    else {
      const reason = "ONNX Runtime's products of integers saturate beyond 64 bits, jax-js's wrap";
      table.addDifferent("reduce", label, fn, args, reason);
    }
  }
  const notNumbers = () => {
    const special = [1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0];
    const values = special.flatMap((a) => special.map((b) => (Number.isNaN(a) ? b : a === 0 ? 2 : a)));
    return [float32([5, 5], values)];
  };
  const alongBoth = (x: np.Array) => [op(x.ref, 0), op(x, 1)];
  if (name === "min" || name === "max") {
    const reason = "ONNX Runtime's float32 ReduceMin and ReduceMax pass over NaNs";
    table.addDifferent("reduce", `${name}, NaN and infinities`, alongBoth, notNumbers, reason);
  } else {
    table.add("reduce", `${name}, NaN and infinities`, alongBoth, notNumbers);
  }
  table.add(
    "reduce",
    `${name}, gradient with ties and zeros`,
    grad((x: np.Array) => op(x.ref, 0).mul(op(x, 1)).sum()),
    () => [float32([3, 3], [1, 2, 2, 3, 1, 3, 2, 2, -1])],
    roundingOfFloat32,
  );
}

table.add(
  "reduce",
  "mean, variance, argmax, argmin, any, all, softmax, logsumexp, cumulative sums",
  (x: np.Array, b: np.Array) => [
    np.mean(x.ref, 1),
    np.var_(x.ref, 0),
    np.std(x.ref),
    np.argmax(x.ref, 1),
    np.argmin(x.ref.transpose(), 1),
    np.argmax(x.ref),
    np.any(b.ref, 0),
    np.all(b, 1),
    np.cumsum(x.ref, 1),
    np.cumprod(x.ref, 0),
    np.countNonzero(x.astype(Int32)),
  ],
  () => [float32([3, 4], [1, 5, 2, 5, -1, -1, -3, 0, 0.5, 0.25, 2, 2]), sample(Bool, [3, 4], 1)],
  roundingOfFloat32,
);
table.add(
  "reduce",
  "sums of squares and of products that are no matrix product",
  (x: np.Array, y: np.Array) => [
    np.square(x.ref).sum(),
    np.square(x.ref).sum(0),
    x.ref.mul(y.ref).sum(),
    x.ref.mul(y.ref).sum(1),
    x.ref.transpose().mul(y.ref.transpose()).sum(0),
    x.ref.mul(y.ref.slice([0, 1])).sum([0, 1]),
    x.ref
      .reshape([3, 1, 4])
      .mul(y.ref.reshape([1, 3, 4]))
      .sum(0),
    x
      .reshape([3, 1, 4])
      .mul(y.reshape([1, 3, 4]))
      .sum([0, 1]),
  ],
  () => [randomArray(1, [3, 4]), randomArray(2, [3, 4])],
  sums,
);

for (const dtype of allDtypes) {
  const tolerance = sumsOf(dtype);
  table.add(
    "dot",
    `${dtype}, vectors and matrices`,
    (v: np.Array, a: np.Array, b: np.Array) => [
      np.dot(v.ref, v.ref),
      np.matmul(a.ref, v.ref),
      np.matmul(v.ref, b.ref),
      np.matmul(a.ref, b.ref),
      np.matmul(b.ref.transpose(), a.ref.transpose()),
      np.matmul(a.ref, a.ref.transpose()),
      np.matmul(b.ref.reshape([2, 4]).transpose(), b.ref.transpose()),
      np.outer(v.ref, v.ref),
      np.inner(a.ref, v),
      np.tensordot(a, b, [[1], [0]]),
    ],
    () => [sample(dtype, [4], 1), sample(dtype, [3, 4], 2), sample(dtype, [4, 2], 3)],
    tolerance,
  );
  table.add(
    "dot",
    `${dtype}, batches`,
    (x: np.Array, y: np.Array, z: np.Array) => [
      np.matmul(x.ref, y.ref),
      np.matmul(x.ref, y.ref.slice(0)),
      np.matmul(x.ref.slice(1), y.ref),
      np.matmul(x.ref, y.ref.slice([0, 1])),
      np.matmul(z.ref, y.ref),
      np.matmul(x.ref.transpose([0, 2, 1]), x.ref),
      np.matmul(x.ref.reshape([3, 2, 4]).transpose([1, 0, 2]), y.ref),
      np.einsum("bij,bjk->kbi", x.ref, y.ref),
      np.einsum("bij,bjk->ik", x.ref, y.ref),
      np.einsum("bij,bjk->b", x.ref, y),
      np.einsum("abij,ij->ba", z, x.slice(0)),
    ],
    () => [sample(dtype, [2, 3, 4], 4), sample(dtype, [2, 4, 2], 5), sample(dtype, [5, 1, 3, 4], 6)],
    tolerance,
  );
}
table.add(
  "dot",
  "axes of size 1 and 0",
  (a: np.Array, b: np.Array, e: np.Array) => [
    np.matmul(a.ref, b.ref),
    np.matmul(b.reshape([5, 1]), a.reshape([1, 4])),
    np.matmul(e.ref.transpose(), e.ref),
    np.matmul(e.ref, e.ref.transpose()),
    np.matmul(e, np.ones([3, 2])),
  ],
  () => [randomArray(1, [4, 1]), randomArray(2, [1, 5]), float32([0, 3], [])],
  sums,
);
table.add(
  "reduce",
  "sums of squares and products over axes of size 1",
  (x: np.Array, y: np.Array) => [
    np.square(x.ref).sum(0),
    np.square(x.ref).sum([0, 2]),
    np.square(y.ref).sum(),
    x.ref.mul(y.ref).sum(0),
    x.ref.mul(x.ref.transpose([2, 1, 0])).sum([0, 2]),
    x.mul(y).sum(2),
  ],
  () => [randomArray(1, [1, 3, 1]), randomArray(2, [1, 1, 1])],
  sums,
);
table.add(
  "dot",
  "operands that are broadcast along rows, columns, batches and contracted axes",
  (x: np.Array, y: np.Array, s: np.Array) => {
    const rows = np.broadcastTo(x.ref, [4, 3]);
    const columns = np.broadcastTo(y.ref.reshape([3, 1]), [3, 2]);
    const results = [
      np.matmul(rows.ref, rows.ref.transpose()),
      np.matmul(rows.ref.transpose(), rows.ref),
      np.matmul(rows.ref, columns.ref),
      np.matmul(columns.ref.transpose(), columns.ref),
      np.matmul(columns.ref, np.broadcastTo(y.ref, [2, 3])),
      np.matmul(np.broadcastTo(s.ref, [2, 3]), np.broadcastTo(s.ref, [3, 4])),
      np.matmul(np.broadcastTo(x.ref, [2, 4, 3]), np.broadcastTo(columns.ref, [2, 3, 2])),
      np.matmul(
        np.broadcastTo(x.ref, [2, 4, 3]),
        np.square(np.broadcastTo(x.ref, [2, 5, 3])).transpose([0, 2, 1]),
      ),
    ];
    for (const array of [rows, columns, x, y, s]) array.dispose();
    return results;
  },
  () => [randomArray(1, [3]), randomArray(2, [3]), randomArray(3, [])],
  sums,
);
table.addInterpreted(
  "dot",
  "one contracted element of broadcast arrays, as in second derivatives",
  (x: np.Array, y: np.Array) => {
    const left = np.broadcastTo(x.reshape([2, 3, 1]), [2, 3, 4]).reshape([2, 3, 4, 1]);
    return np.einsum("abcd,abcd->abc", left, np.broadcastTo(y.reshape([1, 3, 4, 1]), [2, 3, 4, 1]));
  },
  () => [randomArray(1, [2, 3]), randomArray(5, [3, 4])],
  sums,
);
table.add(
  "dot",
  "attention: heads in every place, and gradients",
  grad(
    (q: np.Array, k: np.Array, v: np.Array) => {
      const scores = np.einsum("blnh,bsnh->bnls", q, k).mul(0.5);
      return np.einsum("bnls,bsnh->blnh", scores, v).sum();
    },
    { argnums: [0, 1, 2] },
  ),
  () => [1, 2, 3].map((seed) => randomArray(seed, [2, 3, 2, 4])),
  roundingOfFloat32,
);
table.add(
  "dot",
  "several axes contracted, traces and diagonals",
  (x: np.Array, y: np.Array) => [
    np.einsum("ijk,jil->kl", x.ref, y.ref),
    np.einsum("ijk,jkl->il", x.ref, y.ref.reshape([3, 4, 2])),
    np.tensordot(x.ref, y.ref, [
      [0, 1],
      [1, 0],
    ]),
    np.einsum("ijk,jil->", x.ref, y.ref),
    np.trace(x.ref.slice([], [0, 2], 0)),
    np.einsum("jil,jil->jil", y.ref, y.ref),
    np.einsum("ijk,j->ik", x, y.slice([], 0, 0)),
  ],
  () => [randomArray(1, [2, 3, 4]), randomArray(2, [3, 2, 4])],
  roundingOfFloat32,
);
table.add(
  "dot",
  "vmap over different axes",
  (x: np.Array, y: np.Array) => [
    vmap((a: np.Array, b: np.Array) => np.matmul(a, b), [1, 0])(x.ref, y.ref),
    vmap((a: np.Array, b: np.Array) => np.matmul(a, b.transpose()), [0, 2])(x, y),
  ],
  () => [randomArray(1, [2, 3, 4]), randomArray(2, [3, 4, 2])],
  roundingOfFloat32,
);
table.add(
  "dot",
  "NaN and infinities stay where they belong",
  (x: np.Array, y: np.Array) => np.matmul(x, y),
  () => [float32([3, 2], [1, 2, Number.NaN, 1, Number.POSITIVE_INFINITY, 1]), float32([2, 2], [1, 2, 3, 4])],
);

export const reductionCases = table.cases;
