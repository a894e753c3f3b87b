import { grad, numpy as np, vmap } from "@jax-js/jax";
import { arrayOf, float32, int32, randomArray } from "../arrays.ts";
import { allDtypes, CaseTable, type Float32, Int32, sample, Uint32 } from "../primitiveCase.ts";

const table = new CaseTable();

for (const dtype of allDtypes) {
  table.add(
    "gather",
    `${dtype}, along each axis`,
    (x: np.Array, i: np.Array) => [
      np.take(x.ref, i.ref, 0),
      np.take(x.ref, i.ref, 1),
      np.take(x.ref, i.ref, 2),
      np.take(x.ref, i.ref, null),
      x.ref.slice(i.ref),
      x.ref.slice([], i.ref),
      x.ref.slice([0, 1], [], i.ref),
      np.take(x.ref.transpose([2, 0, 1]), i.ref, 1),
      np.take(x.reshape([6, 4]).transpose(), i, 1),
    ],
    () => [sample(dtype, [2, 3, 4], 1), int32([4], [1, 0, 1, 1])],
  );
}
table.add(
  "gather",
  "indices of rank 0 to 3, of uint32, broadcast and moved",
  (x: np.Array, s: np.Array, m: np.Array, c: np.Array, u: np.Array) => [
    x.ref.slice(s.ref),
    x.ref.slice([], s),
    x.ref.slice(m.ref),
    x.ref.slice([], m.ref),
    x.ref.slice(m.ref.transpose()),
    x.ref.slice(c),
    x.ref.slice(u),
    x.slice(np.broadcastTo(m.slice(0), [2, 3])),
  ],
  () => [
    randomArray(1, [4, 3, 2]),
    int32([], [2]),
    int32([2, 3], [0, 1, 2, 2, 1, 0]),
    int32([1, 2, 1], [3, 0]),
    arrayOf(Uint32, [2], [3, 1]),
  ],
);
table.add(
  "gather",
  "several axes at once, together and apart",
  (x: np.Array, i: np.Array, j: np.Array) => [
    x.ref.slice(i.ref, j.ref),
    x.ref.slice([], i.ref, j.ref),
    x.ref.slice(i.ref, [], j.ref),
    x.ref.slice(i.ref.reshape([3, 1]), j.ref),
    x.ref.slice([], [], i.ref, j.ref.reshape([3, 1])),
    x.ref.slice(i.ref, j.ref, i.ref.mul(0).add(j.ref)),
    x.ref.slice(1, i.ref, [], j.ref),
    x.transpose([3, 1, 0, 2]).slice([], i, [], j),
  ],
  () => [randomArray(2, [3, 4, 3, 4]), int32([3], [0, 2, 1]), int32([3], [2, 2, 0])],
);
table.add(
  "gather",
  "of broadcast, padded and computed arrays",
  (x: np.Array, i: np.Array) => [
    np.take(np.broadcastTo(x.ref.slice(0), [5, 3]), i.ref, 0),
    np.take(np.broadcastTo(x.ref.slice(0), [5, 3]), i.ref, 1),
    np.take(np.pad(x.ref, 1), i.ref.add(1), 0),
    np.take(x.ref.add(x.ref.transpose()), i.ref, 1),
    np.takeAlongAxis(x.ref, np.argsort(x.ref, 1), 1),
    np.takeAlongAxis(x.ref, np.argmax(x.ref, 0, { keepdims: true }), 0),
    np.diagonal(x.ref),
    np.take(x, np.zeros([0], { dtype: Int32 }), 0),
    i,
  ],
  () => [randomArray(3, [3, 3]), int32([4], [2, 0, 1, 2])],
);
table.add(
  "gather",
  "vmap over the array, the indices and both",
  (x: np.Array, i: np.Array) => [
    vmap((a: np.Array, b: np.Array) => np.take(a, b, 0), [0, 0])(x.ref, i.ref),
    vmap((a: np.Array, b: np.Array) => np.take(a, b, 1), [1, null])(x.ref, i.ref),
    vmap((a: np.Array, b: np.Array) => np.take(a, b, 1), [null, 1])(x.ref.slice(0), i.ref),
    vmap((a: np.Array, b: np.Array) => a.slice(b, b.ref), [0, 1])(
      x.slice([], [0, 3], [0, 3]),
      i.slice([], [0, 2]),
    ),
  ],
  () => [randomArray(4, [2, 3, 4]), int32([2, 3], [0, 2, 1, 1, 1, 0])],
);

const gatherGradient = (read: (x: np.Array, i: np.Array) => np.Array) =>
  grad((x: np.Array, i: np.Array, w: np.Array) => read(x, i).mul(w).sum());
table.add(
  "scatter",
  "an embedding's gradient, with repeated places",
  gatherGradient((x, i) => np.take(x, i, 0)),
  () => [randomArray(5, [5, 3]), int32([6], [4, 0, 4, 4, 2, 0]), randomArray(6, [6, 3])],
  { relative: 1e-6, absolute: 1e-6 },
);
table.add(
  "scatter",
  "along every axis, by matrices of indices",
  (x: np.Array, i: np.Array, w: np.Array) => [
    gatherGradient((a, b) => np.take(a, b, 0))(x.ref, i.ref, w.ref),
    gatherGradient((a, b) => np.take(a, b, 1))(x.ref, i.ref, w.ref.transpose([3, 0, 1, 2])),
    gatherGradient((a, b) => np.take(a, b, 2))(x.ref, i.ref, w.ref.transpose([2, 3, 0, 1])),
    gatherGradient((a, b) => np.take(a.transpose([1, 2, 0]), b, 0))(x, i, w),
  ],
  () => [randomArray(7, [3, 3, 3]), int32([2, 4], [0, 1, 2, 2, 1, 0, 0, 0]), randomArray(8, [2, 4, 3, 3])],
  { relative: 1e-6, absolute: 1e-6 },
);
table.add(
  "scatter",
  "several axes at once",
  (x: np.Array, i: np.Array, j: np.Array, w: np.Array) => {
    const along = (read: (a: np.Array, b: np.Array, c: np.Array) => np.Array, weight: np.Array) =>
      grad((a: np.Array, b: np.Array, c: np.Array) => read(a, b, c).mul(weight).sum())(x.ref, i.ref, j.ref);
    const results = [
      along((a, b, c) => a.slice(b, c), w.ref),
      along((a, b, c) => a.slice([], b, c), w.ref.transpose()),
      along((a, b, c) => a.slice(b, [], c), w.ref),
      along((a, b, c) => a.slice(b.reshape([4, 1]), c.slice([0, 3])), w.ref.reshape([4, 3, 1])),
    ];
    for (const array of [x, i, j, w]) array.dispose();
    return results;
  },
  () => [
    randomArray(9, [3, 3, 3]),
    int32([4], [0, 2, 2, 1]),
    int32([4], [1, 0, 0, 2]),
    randomArray(10, [4, 3]),
  ],
  { relative: 1e-6, absolute: 1e-6 },
);
table.add(
  "scatter",
  "of a scalar index, an empty list, and a float64 array",
  (x: np.Array, s: np.Array, y: np.Array) => [
    grad((a: np.Array) => a.slice(s.ref).sum())(x.ref),
    grad((a: np.Array) => np.take(a, np.zeros([0], { dtype: Int32 }), 0).sum())(x),
    grad((a: np.Array) => np.square(np.take(a, s, 1)).sum())(y),
  ],
  () => [randomArray(11, [3, 2]), int32([], [1]), sample("float64" as typeof Float32, [2, 3], 12)],
);
table.add(
  "scatter",
  "unique places: the gradient of a sort",
  grad((x: np.Array, w: np.Array) => np.sort(x, 1).mul(w).sum()),
  () => [randomArray(13, [3, 5]), randomArray(14, [3, 5])],
);
table.add(
  "scatter",
  "places outside are dropped",
  grad((x: np.Array, i: np.Array, w: np.Array) => np.take(x, i, 0).mul(w).sum()),
  // The value of the gather is never read here, only its gradient: no place is out of range for a gather.
  () => [randomArray(15, [4, 2]), int32([5], [0, 3, 4, 9, 3]), randomArray(16, [5, 2])],
);
table.add(
  "scatter",
  "vmap",
  (x: np.Array, i: np.Array) =>
    vmap(
      grad((a: np.Array, b: np.Array) => np.square(np.take(a, b, 0)).sum()),
      [0, 0],
    )(x, i),
  () => [randomArray(17, [2, 4, 3]), int32([2, 3], [0, 3, 3, 2, 2, 2])],
  { relative: 1e-6, absolute: 1e-6 },
);

// Sorting ---------------------------------------------------------------------------------------------------------------

for (const dtype of allDtypes) {
  table.add(
    "sort",
    `${dtype}`,
    (x: np.Array) => [
      np.sort(x.ref),
      np.sort(x.ref, 0),
      np.sort(x.ref, 1),
      np.sort(x.transpose([2, 0, 1]).reshape([4, 6]), 1),
    ],
    () => [sample(dtype, [2, 3, 4], 1)],
  );
  table.add(
    "argsort",
    `${dtype}, ties keep their order`,
    (x: np.Array) => [
      np.argsort(x.ref),
      np.argsort(x.ref, 0),
      np.argsort(x.transpose([1, 2, 0]).reshape([12, 2]), 0),
    ],
    () => [sample(dtype, [2, 3, 4], 2)],
  );
}
table.add(
  "argsort",
  "long with many ties, NaN last, infinities",
  (x: np.Array, y: np.Array, u: np.Array) => [
    np.argsort(x.ref),
    np.sort(x),
    np.argsort(y.ref),
    np.sort(y),
    np.argsort(u),
  ],
  () => [
    int32([200], randomArray(3, [200], { low: 0, high: 5 }).dataSync().map(Math.floor)),
    float32(
      [9],
      [1, Number.NaN, Number.POSITIVE_INFINITY, -2, Number.NaN, Number.NEGATIVE_INFINITY, 0, 1, 3e38],
    ),
    arrayOf(Uint32, [4], [4294967295, 0, 2147483648, 1]),
  ],
);
table.add(
  "sort",
  "axes of size 1 and 0, and a broadcast array",
  (x: np.Array, e: np.Array) => [
    np.sort(x.ref, 1),
    np.argsort(x.ref, 1),
    np.sort(e),
    np.sort(np.broadcastTo(x, [3, 4]), 0),
  ],
  () => [randomArray(4, [3, 1]), float32([0], [])],
);

export const indexingCases = table.cases;
