import type { Equation } from "../jaxpr.ts";
import { isFloat, type Lowering, unsupported, type Value } from "../lowering.ts";
import { sizeOf } from "../view.ts";
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
    result = pad(lowering, lowering.toDense(result), [axis + 1], [[0, step - 1]]);
    result = lowering.reshape(result, [...shape.slice(0, axis), size * step, ...shape.slice(axis + 1)]);
    result = slice(lowering, result, [axis], [[0, (size - 1) * step + 1]]);
  });
  return result;
}

/** Pads (or, with negative widths, cuts) the last axes. */
function padOrCut(lowering: Lowering, value: Value, padding: readonly (readonly [number, number])[]): Value {
  const first = value.view.shape.length - padding.length;
  let result = value;
  padding.forEach(([before, after], i) => {
    const size = result.view.shape[first + i]!;
    if (before < 0 || after < 0) {
      result = slice(lowering, result, [first + i], [[Math.max(0, -before), size - Math.max(0, -after)]]);
    }
    if (before > 0 || after > 0) {
      result = pad(
        lowering,
        lowering.toDense(result),
        [first + i],
        [[Math.max(0, before), Math.max(0, after)]],
      );
    }
  });
  return result;
}

function convolve(lowering: Lowering, [lhs, rhs]: readonly Value[], equation: Equation): Value {
  const { graph } = lowering;
  const output = equation.outBinders[0]!.aval;
  const params = equation.params as unknown as ConvParams;
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
    return lowering.contract(xs, ws, shape, [shape.length - 1], () => "rows");
  }
  x = dilate(lowering, x, params.lhsDilation);
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
  support: "floats, up to 3 spatial axes",
  operators: "Conv (grouped under vmap), with Pad and Slice for dilated or cut inputs",
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
    const { window, strides } = equation.params as unknown as PoolParams;
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
    const { window, strides } = equation.params as unknown as PoolParams;
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
