import { grad, numpy as np, vmap } from "@jax-js/jax";
import { arrayOf, float32, randomArray } from "../arrays.ts";
import { allDtypes, Bool, CaseTable, Float32, Int32, sample, shapes, Uint32 } from "../primitiveCase.ts";

const table = new CaseTable();

for (const dtype of allDtypes) {
  table.add(
    "transpose",
    `${dtype}`,
    (a: np.Array, b: np.Array, c: np.Array) => [
      a.transpose(),
      b.ref.transpose([2, 0, 1]),
      b.transpose([0, 2, 1]),
      c.ref.transpose([4, 2, 0, 3, 1]),
      c.transpose([0, 1, 3, 2, 4]),
    ],
    () =>
      [
        [2, 3],
        [2, 3, 4],
        [2, 1, 3, 2, 2],
      ].map((shape, i) => sample(dtype, shape, i)),
  );
  table.add(
    "reshape",
    `${dtype}, merging, splitting and permuted axes`,
    (x: np.Array) => [
      x.ref.reshape([24]),
      x.ref.reshape([6, 4]),
      x.ref.reshape([2, 12]),
      x.ref.reshape([2, 3, 2, 2]),
      x.ref.reshape([1, 2, 1, 3, 4, 1]),
      x.ref.transpose([2, 0, 1]).reshape([4, 6]),
      x.ref.transpose([2, 0, 1]).reshape([8, 3]),
      x.ref.transpose([1, 0, 2]).reshape([24]),
      x.ref.transpose([1, 0, 2]).reshape([3, 8]).transpose().reshape([2, 4, 3]),
      x.ref.transpose([2, 1, 0]).reshape([2, 2, 3, 2]).transpose([2, 0, 1, 3]).reshape([6, 4]),
      x.reshape([4, 6]).transpose().reshape([4, 6]),
    ],
    () => [sample(dtype, [2, 3, 4], 1)],
  );
  table.add(
    "broadcast",
    `${dtype}, then moved, merged and split`,
    (scalar: np.Array, row: np.Array, column: np.Array) => [
      np.broadcastTo(scalar.ref, [2, 3]),
      np.broadcastTo(row.ref, [3, 4]).transpose(),
      np.broadcastTo(column.ref, [3, 4]).reshape([12]),
      np.broadcastTo(column.ref, [2, 3, 4]).reshape([6, 4]).transpose(),
      np.broadcastTo(row.ref, [2, 3, 4]).reshape([2, 12]),
      np.broadcastTo(scalar, [4, 6]).reshape([3, 8]),
      np.tile(column, [2, 3]),
      np.repeat(row, 3),
    ],
    () => [[], [4], [3, 1]].map((shape, i) => sample(dtype, shape, i)),
  );
  table.add(
    "flip",
    `${dtype}`,
    (x: np.Array, p: np.Array) => [
      np.flip(x.ref),
      np.flip(x.ref, 1),
      np.flip(x.ref, [0, 2]),
      np.flip(x.ref.transpose([2, 0, 1]), [0]),
      np.flip(x.ref.reshape([6, 4]).transpose(), 1),
      np.flip(np.broadcastTo(x.slice(0, 0), [3, 4]), [0, 1]),
      np.flip(p.ref, 0),
      np.flip(p, 1),
    ],
    () => [sample(dtype, [2, 3, 4], 2), sample(dtype, [2, 5], 3)],
  );
  table.add(
    "shrink",
    `${dtype}`,
    (x: np.Array) => [
      x.ref.slice([1, 3]),
      x.ref.slice([], [1, 2], [2]),
      x.ref.slice(2, [], -1),
      x.ref.slice([], 1, [-3, -1]),
      x.ref.transpose([2, 0, 1]).slice([1, 4], [1]),
      x.ref.transpose([1, 2, 0]).reshape([12, 3]).slice([2, 9]),
      np.broadcastTo(x.ref.slice(0, 0), [5, 4]).slice([1, 3], [1]),
      np.broadcastTo(x.ref.slice(0, 0), [5, 4]).transpose().slice([0, 1], [2, 4]),
      x.slice([0, 1], [0, 1], [0, 1]),
    ],
    () => [sample(dtype, [3, 3, 4], 4)],
  );
  table.add(
    "pad",
    `${dtype}`,
    (x: np.Array) => [
      np.pad(x.ref, 1),
      np.pad(x.ref, [
        [0, 2],
        [1, 0],
      ]),
      np.pad(x.ref.transpose(), { 1: [2, 1] }),
      np.pad(x.ref.reshape([3, 2]), { 0: [1, 1] }),
      np.pad(np.broadcastTo(x.ref.slice(0), [2, 3]), { 0: [1, 0] }),
      np.pad(np.broadcastTo(x.ref.slice(0), [2, 3]), { 1: [1, 0] }),
      np.pad(x.slice(0, 0).reshape([1, 1]), 2),
    ],
    () => [sample(dtype, [2, 3], 5)],
  );
  table.add(
    "concatenate",
    `${dtype}`,
    (x: np.Array, y: np.Array) => [
      np.concatenate([x.ref, y.ref], 0),
      np.concatenate([x.ref, y.ref.slice([0, 2]), x.ref], 1),
      np.concatenate([x.ref.transpose(), y.ref.transpose()], 1),
      np.concatenate([np.broadcastTo(x.ref.slice(0), [2, 3]), y.ref], 0),
      np.stack([x.ref, x.ref.add(x.ref)], 2),
      np.concatenate([x.ref], 0),
      np.concatenate([x, y.slice([0, 0])], 0),
    ],
    () => [sample(dtype, [2, 3], 6), sample(dtype, [4, 3], 7)],
  );
  table.add(
    "split",
    `${dtype}`,
    (x: np.Array) => [
      ...np.split(x.ref, 2, 0),
      ...np.split(x.ref, [1, 1, 4], 1),
      ...np.split(x.ref.transpose(), [1], 0),
      np.split(x.ref, 5, 1)[3]!,
      ...np.split(np.broadcastTo(x.ref.slice(0), [4, 5]), 2, 0),
      ...np.split(x.ref.reshape([2, 2, 5]).transpose([2, 0, 1]), [2], 0),
      ...[...x],
    ],
    () => [sample(dtype, [4, 5], 8)],
  );
}

table.add(
  "shrink",
  "empty results",
  (x: np.Array) => [x.ref.slice([1, 1]), x.ref.slice([], [2, 2]), x.transpose().slice([0, 0], [1])],
  () => [randomArray(1, [2, 3])],
);
table.add(
  "reshape",
  "all ranks and empty arrays",
  (...xs: np.Array[]) =>
    xs.flatMap((x) => [x.ref.reshape([-1]), x.ref.reshape([1, ...x.shape, 1]), x.transpose()]),
  () => shapes.map((shape, i) => sample(Float32, shape, i)),
);
table.add(
  "pad",
  "empty arrays",
  (x: np.Array) => [
    np.pad(x.ref, 1),
    np.concatenate([x.ref, x.ref], 1),
    np.flip(x.ref, 0),
    np.broadcastTo(x, [2, 0, 3]),
  ],
  () => [float32([0, 3], [])],
);
table.add(
  "concatenate",
  "operands of different dtypes",
  (a: np.Array, b: np.Array, c: np.Array, d: np.Array) => [
    np.concatenate([a.ref, b.ref]),
    np.concatenate([b.ref, c.ref]),
    np.concatenate([d.ref, b]),
    np.concatenate([d, c]),
  ],
  () => [sample(Float32, [2], 1), sample(Int32, [2], 2), sample(Uint32, [2], 3), arrayOf(Bool, [2], [1, 0])],
);
table.add(
  "flip",
  "a split axis, as in rotary encoding",
  (x: np.Array) => {
    const halves = x.reshape([2, 3, 2, 4]);
    return np.flip(halves, 2).reshape([2, 3, 8]);
  },
  () => [randomArray(3, [2, 3, 8])],
);
table.add(
  "split",
  "gradient through slices of a fused projection",
  grad((x: np.Array) => {
    const [q, k, v] = np.split(x, 3, 1);
    return q!.mul(k!.transpose()).mul(v!).sum();
  }),
  () => [randomArray(4, [3, 9])],
  { relative: 1e-6, absolute: 1e-7 },
);
table.add(
  "transpose",
  "vmap over different axes",
  (x: np.Array, y: np.Array) => [
    vmap((a: np.Array, b: np.Array) => a.transpose().add(b), [1, 0])(x.ref, y.ref),
    vmap((a: np.Array) => np.flip(a, 0).reshape([-1]), [2])(x),
    vmap((a: np.Array) => np.pad(a, 1), [1])(y),
  ],
  () => [randomArray(5, [2, 3, 4]), randomArray(6, [3, 4, 2])],
);

// ONNX Runtime moves the transposes past Concat and Pad to cancel that of the result, and reads widths of listed axes wrongly then.
table.add(
  "pad",
  "between transposes that cancel",
  (x: np.Array, y: np.Array) => {
    const turn = (array: np.Array) => array.transpose([0, 2, 1]);
    const joined = np.concatenate([turn(x), turn(y)], 1);
    const padded = np.pad(joined, [
      [0, 0],
      [1, 1],
      [2, 0],
    ]);
    return turn(padded);
  },
  () => [randomArray(7, [2, 3, 4]), randomArray(8, [2, 3, 5])],
);

export const movementCases = table.cases;
