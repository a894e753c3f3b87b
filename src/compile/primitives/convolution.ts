import { DType } from "@jax-js/jax";
import type { Equation } from "../jaxpr.ts";
import type { Lowering } from "../lowering.ts";
import { contract } from "../products.ts";
import { unsupported } from "../unsupported.ts";
import { isFloat, type Value } from "../value.ts";
import { sizeOf, type View } from "../view.ts";
import { pad, slice } from "./movement.ts";
import type { PrimitiveRule, PrimitiveRules } from "./rule.ts";

interface ConvParams {
  readonly vmapDims: number;
  readonly strides: readonly number[];
  readonly padding: readonly (readonly [number, number])[];
  readonly lhsDilation: readonly number[];
  readonly rhsDilation: readonly number[];
}

const range = (n: number, start = 0) => Array.from({ length: n }, (_, i) => start + i);

/** Puts `dilation − 1` zeros between neighbours along each of the last axes. */
function dilate(lowering: Lowering, value: Value, dilation: readonly number[]): Value {
  let result = value;
  const first = value.view.shape.length - dilation.length;
  dilation.forEach((step, i) => {
    if (step === 1) return;
    const axis = first + i;
    const shape = result.view.shape;
    const size = shape[axis]!;
    if (size <= 1) return;
    result = lowering.reshape(result, [...shape.slice(0, axis + 1), 1, ...shape.slice(axis + 1)]);
    result = pad(lowering, result, [axis + 1], [[0, step - 1]]);
    result = lowering.reshape(result, [...shape.slice(0, axis), size * step, ...shape.slice(axis + 1)]);
    result = slice(lowering, result, [axis], [[0, (size - 1) * step + 1]]);
  });
  return result;
}

/** Pads (or, with negative widths, cuts) the last axes. */
function padOrCut(lowering: Lowering, value: Value, padding: readonly (readonly [number, number])[]): Value {
  const shape = value.view.shape;
  const axes = range(padding.length, shape.length - padding.length);
  let result = value;
  if (padding.some((widths) => Math.min(...widths) < 0)) {
    const kept = padding.map(
      ([before, after], i) => [Math.max(0, -before), shape[axes[i]!]! - Math.max(0, -after)] as const,
    );
    result = slice(lowering, result, axes, kept);
  }
  if (padding.some((widths) => Math.max(...widths) > 0)) {
    const added = padding.map(([before, after]) => [Math.max(0, before), Math.max(0, after)] as const);
    result = pad(lowering, result, axes, added);
  }
  return result;
}

/**
 * An order of the axes for copies of windows of the last ones: the spatial axes together, behind them the innermost of the others, the rest
 * before them as it lies in memory.
 */
function windowOrder({ axes, shape }: View, first: number): number[] {
  const smallest = (axis: number) => Math.min(...axes[axis]!.map(({ stride }) => stride || Infinity));
  const others = range(first).sort((a, b) => smallest(b) - smallest(a));
  const inner = others.findLast((axis) => shape[axis]! > 1);
  const before = others.filter((axis) => axis !== inner);
  return [...before, ...range(shape.length - first, first), ...(inner === undefined ? [] : [inner])];
}

/** The same value, in memory in the order of {@link windowOrder}. */
function arrangeForWindows(lowering: Lowering, value: Value, first: number): Value {
  const order = windowOrder(value.view, first);
  const arranged = lowering.toDense(lowering.transpose(value, order));
  return lowering.transpose(
    arranged,
    order.map((_, axis) => order.indexOf(axis)),
  );
}

/**
 * All windows of the last axes: `[…, H, W]` → `[…, a…, b…]` with element (a, b) = x[a·stride + b·dilation]. One Gather copies rows of the
 * innermost other axis.
 */
function windows(
  lowering: Lowering,
  value: Value,
  outShape: readonly number[],
  kernelShape: readonly number[],
  strides: readonly number[],
  dilation: readonly number[],
): Value {
  const { graph } = lowering;
  const rank = value.view.shape.length;
  const first = rank - outShape.length;
  const spatial = range(outShape.length, first);
  const inputShape = value.view.shape.slice(first);
  const order = windowOrder(value.view, first);
  const tensor = lowering.dense(lowering.transpose(value, order));
  const shape = value.view.shape;
  const sizes = order.map((axis) => shape[axis]!);
  const at = order.indexOf(spatial[0]!);
  const flat = graph.reshape(tensor, [
    ...sizes.slice(0, at),
    sizeOf(inputShape),
    ...sizes.slice(at + outShape.length),
  ]);
  // The larger group of places outside: what a convolution reads and what the gradient of its kernel reads are then one tensor.
  const outer = sizeOf(outShape) >= sizeOf(kernelShape);
  const placesOf = (extents: readonly number[], steps: readonly number[]) => {
    let places = [0];
    extents.forEach((extent, i) => {
      places = places.flatMap((place) =>
        range(extent).map((index) => place * inputShape[i]! + index * steps[i]!),
      );
    });
    return places;
  };
  const [a, b] = [placesOf(outShape, strides), placesOf(kernelShape, dilation)];
  const [slow, fast] = outer ? [a, b] : [b, a];
  const table = slow.flatMap((place) => fast.map((offset) => place + offset));
  const gathered = graph.op(
    "Gather",
    [flat, graph.indices(table)],
    flat.type,
    [...flat.shape.slice(0, at), table.length, ...flat.shape.slice(at + 1)],
    { axis: at },
  );
  const groups = outer ? [outShape, kernelShape] : [kernelShape, outShape];
  const result = lowering.contiguous(
    graph.reshape(gathered, [...flat.shape.slice(0, at), ...groups.flat(), ...flat.shape.slice(at + 1)]),
    value.dtype,
  );
  const n = outShape.length;
  const axesA = range(n, at + (outer ? 0 : n));
  const axesB = range(n, at + (outer ? n : 0));
  const placed = order.map((axis, i) => [axis, i > at ? i + n : i] as const).filter(([axis]) => axis < first);
  const perm = placed.sort(([p], [q]) => p - q).map(([, i]) => i);
  return lowering.transpose(result, [...perm, ...axesA, ...axesB]);
}

const mebibyte = 2 ** 20;

/**
 * Whether to copy all windows and multiply. ONNX Runtime's Conv has no kernel for float64. Else it needs no copy, but runs long windows (those
 * of a kernel's gradient are as large as the image) slowly and on one thread, and wants channels before pixels, which costs two
 * transposes where they come last. With rows of a few channels, or copies that no cache holds, it is the faster one. Measured with
 * `npm run bench -- --part convolution`.
 */
function isProductFaster(
  x: Value,
  w: Value,
  outputShape: readonly number[],
  v: number,
  hasKernel: boolean,
): boolean {
  if (x.dtype === DType.Float64 || !hasKernel) return true;
  if (v > 0) return false;
  const places = sizeOf(outputShape.slice(2));
  const window = sizeOf(w.view.shape.slice(2));
  const [images, channels] = x.view.shape as [number, number];
  const bytes = 4 * images * channels * places * window;
  // In a gradient of a kernel images and channels have changed places.
  return places < window
    ? images >= 16 && bytes <= 64 * mebibyte
    : channels >= 16 && window > 1 && bytes <= 16 * mebibyte;
}

/** As a matrix product over all windows of the input. */
function convolveByProduct(
  lowering: Lowering,
  x: Value,
  w: Value,
  v: number,
  outShape: readonly number[],
  params: ConvParams,
): Value {
  const n = outShape.length;
  const kernelShape = w.view.shape.slice(v + 2);
  const patches = windows(lowering, x, outShape, kernelShape, params.strides, params.rhsDilation);
  const batchShape = x.view.shape.slice(0, v);
  const [numImages, channels] = x.view.shape.slice(v) as [number, number];
  const outChannels = w.view.shape[v]!;
  // [V…, N, O, a…, C, b…], summed over C and b.
  const shape = [...batchShape, numImages, outChannels, ...outShape, channels, ...kernelShape];
  const left = lowering.broadcast(
    lowering.transpose(patches, [...range(v + 1), ...range(n, v + 2), v + 1, ...range(n, v + 2 + n)]),
    shape,
    [v + 1],
  );
  const right = lowering.broadcast(w, shape, [v, ...range(n, v + 2)]);
  return contract(lowering, left, right, shape, range(n + 1, v + 2 + n), () => "rows");
}

function convolve(lowering: Lowering, [lhs, rhs]: readonly Value[], equation: Equation): Value {
  const { graph } = lowering;
  const output = equation.outBinders[0]!.aval;
  const params = equation.params as ConvParams;
  const v = params.vmapDims;
  const spatial = params.strides.length;
  if (!isFloat(output.dtype))
    throw unsupported(equation, "ONNX convolutions are of floats; cast the operands first");
  const batchShape = output.shape.slice(0, v);
  const groups = sizeOf(batchShape);
  let x = lowering.cast(lhs!, output.dtype);
  let w = lowering.cast(rhs!, output.dtype);
  x = lowering.broadcast(x, [...batchShape, ...x.view.shape.slice(v)], []);
  w = lowering.broadcast(w, [...batchShape, ...w.view.shape.slice(v)], []);
  const [numImages, channels] = x.view.shape.slice(v) as [number, number];
  const outChannels = w.view.shape[v]!;
  if (spatial === 0) {
    // Without spatial axes a convolution is a batched product [N, C] × [O, C].
    const xs = lowering.reshape(x, [...batchShape, numImages, 1, channels]);
    const ws = lowering.reshape(w, [...batchShape, 1, outChannels, channels]);
    const shape = [...batchShape, numImages, outChannels, channels];
    return contract(lowering, xs, ws, shape, [shape.length - 1], () => "rows");
  }
  x = dilate(lowering, x, params.lhsDilation);
  if (isProductFaster(x, w, output.shape, v, lowering.device.convolutions)) {
    x = padOrCut(lowering, arrangeForWindows(lowering, x, v + 2), params.padding);
    return convolveByProduct(lowering, x, w, v, output.shape.slice(v + 2), params);
  }
  const simplePadding = params.padding.every(([before, after]) => before >= 0 && after >= 0);
  if (!simplePadding) x = padOrCut(lowering, x, params.padding);
  const pads = simplePadding ? params.padding : params.padding.map(() => [0, 0] as const);
  // Axes mapped by vmap become groups: [V…, N, C, …] → [N, V·C, …].
  const xShape = x.view.shape.slice(v + 2);
  const wShape = w.view.shape.slice(v + 2);
  const moved = lowering.transpose(x, [v, ...range(v), ...range(spatial + 1, v + 1)]);
  const images = lowering.dense(lowering.reshape(moved, [numImages, groups * channels, ...xShape]));
  const kernels = lowering.dense(lowering.reshape(w, [groups * outChannels, channels, ...wShape]));
  const outShape = output.shape.slice(v + 2);
  const result = graph.op(
    "Conv",
    [images, kernels],
    images.type,
    [numImages, groups * outChannels, ...outShape],
    {
      group: groups,
      strides: [...params.strides],
      dilations: [...params.rhsDilation],
      pads: [...pads.map(([before]) => before), ...pads.map(([, after]) => after)],
      kernel_shape: wShape,
    },
  );
  const split = lowering.reshape(lowering.contiguous(result, output.dtype), [
    numImages,
    ...batchShape,
    outChannels,
    ...outShape,
  ]);
  return lowering.transpose(split, [...range(v, 1), 0, ...range(spatial + 1, v + 1)]);
}

const conv: PrimitiveRule = {
  support: "floats, in float32 up to 3 spatial axes",
  operators:
    "Conv (grouped under vmap), with Pad and Slice for dilated or cut inputs; Gather and Gemm for float64 and where faster",
  lower: (lowering, inputs, equation) => [convolve(lowering, inputs, equation)],
};

interface PoolParams {
  readonly window: readonly number[];
  readonly strides: readonly number[];
}

/** Windows along the last axes: [.., i…] → [.., o…, k…] with element (o, k) = input[o·stride + k]. */
const pool: PrimitiveRule = {
  support: "all",
  operators: "Gather",
  lower(lowering, [x], equation) {
    const { graph } = lowering;
    const { window, strides } = equation.params as PoolParams;
    const shape = x!.view.shape;
    const first = shape.length - window.length;
    let tensor = lowering.dense(x!);
    // Every Gather leaves (o, k) where axis i was, so later axes are shifted by one for each done before.
    window.forEach((k, i) => {
      const axis = first + 2 * i;
      const out = Math.ceil((shape[first + i]! - k + 1) / strides[i]!);
      const table = range(out * k).map((j) => Math.floor(j / k) * strides[i]! + (j % k));
      const index = graph.reshape(graph.indices(table), [out, k]);
      tensor = graph.op(
        "Gather",
        [tensor, index],
        tensor.type,
        [...tensor.shape.slice(0, axis), out, k, ...tensor.shape.slice(axis + 1)],
        { axis },
      );
    });
    const perm = [
      ...range(first),
      ...window.map((_, i) => first + 2 * i),
      ...window.map((_, i) => first + 2 * i + 1),
    ];
    return [lowering.transpose(lowering.contiguous(tensor, x!.dtype), perm)];
  },
};

/** The transpose of `pool`: each input element is the sum of the window places that it was read into. */
const poolTranspose: PrimitiveRule = {
  support: "all",
  operators: "Pad, Gather, ReduceSum",
  lower(lowering, [x], equation) {
    const { graph } = lowering;
    const { window, strides } = equation.params as PoolParams;
    const inShape = equation.params.inShape as number[];
    const n = window.length;
    const first = inShape.length - n;
    let value = x!;
    // [.., o…, k…] → [.., (o, k)…]: one axis of places per pooled axis.
    value = lowering.transpose(value, [
      ...range(first),
      ...range(n).flatMap((i) => [first + i, first + n + i]),
    ]);
    const places = window.map((k, i) => Math.ceil((inShape[first + i]! - k + 1) / strides[i]!) * k);
    value = lowering.reshape(value, [...inShape.slice(0, first), ...places]);
    window.forEach((k, i) => {
      const axis = first + i;
      const size = inShape[axis]!;
      const sources = range(size).map((position) =>
        range(places[i]!).filter((place) => Math.floor(place / k) * strides[i]! + (place % k) === position),
      );
      const depth = Math.max(...sources.map((list) => list.length));
      const padded = pad(lowering, lowering.toDense(value), [axis], [[0, 1]]);
      const table = sources.flatMap((list) => range(depth).map((j) => list[j] ?? places[i]!));
      const index = graph.reshape(graph.indices(table), [size, depth]);
      const source = lowering.dense(padded);
      const gathered = graph.op(
        "Gather",
        [source, index],
        source.type,
        [...source.shape.slice(0, axis), size, depth, ...source.shape.slice(axis + 1)],
        { axis },
      );
      value = lowering.reduce(lowering.contiguous(gathered, value.dtype), [axis + 1], "Add", "ReduceSum");
    });
    return [value];
  },
};

export const convolutionRules: PrimitiveRules = { conv, pool, pool_transpose: poolTranspose };
