import { grad, lax, numpy as np, vmap } from "@jax-js/jax";
import { int32, randomArray } from "../arrays.ts";
import { roundingOfFloat32 } from "../compareWithJax.ts";
import { CaseTable, Float64, sample } from "../primitiveCase.ts";

const table = new CaseTable();

interface ConvCase {
  readonly name: string;
  readonly image: readonly number[];
  readonly kernel: readonly number[];
  readonly strides: number[];
  readonly padding: Parameters<typeof lax.convGeneralDilated>[3];
  readonly options?: NonNullable<Parameters<typeof lax.convGeneralDilated>[4]>;
}

const convolutions: readonly ConvCase[] = [
  { name: "1-D", image: [2, 3, 8], kernel: [4, 3, 3], strides: [1], padding: "VALID" },
  { name: "1-D, strided, same", image: [1, 2, 9], kernel: [2, 2, 4], strides: [3], padding: "SAME" },
  { name: "2-D", image: [2, 3, 5, 6], kernel: [4, 3, 3, 2], strides: [1, 1], padding: "VALID" },
  {
    name: "2-D, strided, same",
    image: [2, 3, 5, 6],
    kernel: [4, 3, 3, 2],
    strides: [2, 1],
    padding: "SAME_LOWER",
  },
  {
    name: "2-D, uneven padding",
    image: [1, 1, 4, 4],
    kernel: [2, 1, 3, 3],
    strides: [1, 2],
    padding: [
      [0, 2],
      [3, 1],
    ],
  },
  {
    name: "2-D, dilated kernel",
    image: [1, 2, 7, 7],
    kernel: [3, 2, 3, 2],
    strides: [1, 1],
    padding: "VALID",
    options: { rhsDilation: [2, 3] },
  },
  {
    name: "2-D, dilated image",
    image: [1, 2, 3, 4],
    kernel: [2, 2, 2, 3],
    strides: [1, 1],
    padding: [
      [1, 1],
      [2, 2],
    ],
    options: { lhsDilation: [2, 3] },
  },
  {
    name: "2-D, groups",
    image: [2, 4, 5, 5],
    kernel: [6, 2, 3, 3],
    strides: [1, 1],
    padding: "SAME",
    options: { featureGroupCount: 2 },
  },
  {
    name: "2-D, one group per channel",
    image: [2, 3, 5, 5],
    kernel: [3, 1, 3, 3],
    strides: [2, 2],
    padding: "SAME",
    options: { featureGroupCount: 3 },
  },
  { name: "3-D", image: [1, 2, 4, 4, 3], kernel: [2, 2, 2, 3, 2], strides: [1, 2, 1], padding: "VALID" },
  { name: "1 × 1", image: [2, 3, 4, 4], kernel: [5, 3, 1, 1], strides: [1, 1], padding: "VALID" },
  {
    name: "kernel as large as the image",
    image: [2, 3, 4, 4],
    kernel: [5, 3, 4, 4],
    strides: [1, 1],
    padding: "VALID",
  },
];

for (const { name, image, kernel, strides, padding, options } of convolutions) {
  const conv = (x: np.Array, w: np.Array) => lax.convGeneralDilated(x, w, strides, padding, options);
  const args = () => [randomArray(1, image), randomArray(2, kernel)];
  table.add("conv", name, conv, args, roundingOfFloat32);
  table.add(
    "conv",
    `${name}, gradients`,
    grad((x: np.Array, w: np.Array) => np.square(conv(x, w)).sum(), { argnums: [0, 1] }),
    args,
    // Sums of squares of sums.
    { relative: 1e-5, absolute: 2e-5 },
  );
}
table.add(
  "conv",
  "of moved and broadcast arrays",
  (x: np.Array, w: np.Array) => [
    lax.conv(x.ref.transpose([0, 3, 1, 2]), w.ref, [1, 1], "VALID"),
    lax.conv(
      np.broadcastTo(x.slice([0, 1]), [3, 5, 5, 2]).transpose([0, 3, 2, 1]),
      w.transpose([0, 1, 3, 2]),
      [1, 1],
      "SAME",
    ),
  ],
  () => [randomArray(3, [2, 5, 5, 2]), randomArray(4, [3, 2, 3, 3])],
  roundingOfFloat32,
);
table.add(
  "conv",
  "transposed convolution",
  (x: np.Array, w: np.Array) => [
    lax.convTranspose(x.ref, w.ref, [2, 2], "SAME"),
    lax.convTranspose(x, w, [2, 1], "VALID", { rhsDilation: [1, 2] }),
  ],
  () => [randomArray(5, [1, 2, 4, 4]), randomArray(6, [3, 2, 3, 3])],
  roundingOfFloat32,
);
table.add(
  "conv",
  "vmap over images, kernels and both",
  (x: np.Array, w: np.Array) => {
    const conv = (a: np.Array, b: np.Array) => lax.conv(a, b, [1, 1], "SAME");
    return [
      vmap(conv, [0, null])(x.ref, w.ref.slice(0)),
      vmap(conv, [null, 0])(x.ref.slice(0), w.ref),
      vmap(conv, [0, 0])(x, w),
    ];
  },
  () => [randomArray(7, [2, 2, 3, 4, 4]), randomArray(8, [2, 5, 3, 3, 3])],
  roundingOfFloat32,
);
table.add(
  "conv",
  "without spatial axes",
  (x: np.Array, w: np.Array) => lax.convGeneralDilated(x, w, [], []),
  () => [randomArray(9, [4, 3]), randomArray(10, [5, 3])],
  roundingOfFloat32,
);
table.add(
  "conv",
  "signals: convolve and correlate",
  (x: np.Array, y: np.Array) => [
    np.convolve(x.ref, y.ref),
    np.convolve(x.ref, y.ref, "same"),
    np.correlate(x, y, "valid"),
  ],
  () => [randomArray(11, [9]), randomArray(12, [4])],
  roundingOfFloat32,
);
table.addUnsupported(
  "conv",
  "of integers",
  (x: np.Array, w: np.Array) => lax.conv(x, w, [1], "VALID"),
  () => [int32([1, 1, 4], [1, 2, 3, 4]), int32([1, 1, 2], [1, -1])],
);
table.add(
  "conv",
  "of float64, strided, dilated and under vmap, with gradients",
  (x: np.Array, w: np.Array) => {
    const conv = (a: np.Array, b: np.Array) =>
      lax.convGeneralDilated(
        a,
        b,
        [2, 1],
        [
          [1, 0],
          [0, 2],
        ],
        { rhsDilation: [1, 2] },
      );
    const loss = (a: np.Array, b: np.Array) => np.square(vmap(conv)(a, b)).sum();
    return [vmap(conv)(x.ref, w.ref), grad(loss, { argnums: [0, 1] })(x, w)];
  },
  () => [sample(Float64, [2, 3, 2, 5, 5], 1), sample(Float64, [2, 4, 2, 2, 3], 2)],
  { relative: 1e-12, absolute: 1e-12 },
);

// Enough channels and images that windows are copied and multiplied.
for (const [order, toChannelsFirst] of [
  ["channels last", [0, 3, 1, 2]],
  ["channels first", [0, 1, 2, 3]],
  ["images innermost", [3, 0, 1, 2]],
] as const) {
  const shape = toChannelsFirst.map((_, axis) => [16, 16, 5, 6][toChannelsFirst.indexOf(axis as 0)]!);
  for (const [kind, strides, padding] of [
    ["same", [1, 1], "SAME"],
    [
      "strided, uneven padding",
      [2, 1],
      [
        [0, 1],
        [2, 0],
      ],
    ],
  ] as const) {
    const conv = (x: np.Array, w: np.Array) =>
      lax.convGeneralDilated(x.transpose([...toChannelsFirst]), w, [...strides], padding as "SAME");
    table.add(
      "conv",
      `by a product, ${order}, ${kind}`,
      (x: np.Array, w: np.Array) => [
        conv(x.ref, w.ref),
        grad((a: np.Array, b: np.Array) => np.square(conv(a, b)).sum(), { argnums: [0, 1] })(x, w),
      ],
      () => [randomArray(13, shape), randomArray(14, [5, 16, 3, 3])],
      // Sums of up to 480 products of sums of 144.
      { relative: 1e-5, absolute: 2e-3 },
    );
  }
}

interface PoolCase {
  readonly name: string;
  readonly shape: readonly number[];
  readonly window: number[];
  readonly strides?: number[];
}

const pools: readonly PoolCase[] = [
  { name: "1-D, overlapping", shape: [2, 7], window: [3] },
  { name: "2-D, side by side", shape: [2, 3, 4, 6], window: [2, 2], strides: [2, 2] },
  { name: "2-D, with a rest that is left out", shape: [1, 2, 7, 5], window: [2, 3], strides: [3, 2] },
  { name: "2-D, overlapping and strided", shape: [5, 6], window: [3, 2], strides: [1, 2] },
  { name: "3-D", shape: [3, 4, 4], window: [2, 2, 3], strides: [1, 2, 1] },
  { name: "a window of 1", shape: [3, 4], window: [1, 1], strides: [2, 1] },
];
for (const { name, shape, window, strides } of pools) {
  for (const [kind, reduce] of [
    ["max", (w: np.Array) => w.max()],
    ["mean", (w: np.Array) => w.mean()],
  ] as const) {
    const pool = (x: np.Array) => lax.reduceWindow(x, reduce, window, strides);
    table.add("pool", `${kind}, ${name}`, pool, () => [randomArray(1, shape)], roundingOfFloat32);
    table.add(
      "pool_transpose",
      `${kind}, ${name}`,
      grad((x: np.Array) => np.square(pool(x)).sum()),
      () => [randomArray(2, shape)],
      roundingOfFloat32,
    );
  }
}
table.add(
  "pool",
  "integers and a moved array",
  (x: np.Array, y: np.Array) => [
    lax.reduceWindow(x, (w) => w.sum(), [2], [1]),
    lax.reduceWindow(y.transpose(), (w) => w.max(), [2, 2], [1, 2]),
  ],
  () => [int32([5], [1, 5, -2, 7, 3]), randomArray(3, [4, 5])],
);
export const convolutionCases = table.cases;
