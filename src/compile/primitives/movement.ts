import type { Tensor } from "../graph.ts";
import type { Lowering } from "../lowering.ts";
import type { Value } from "../value.ts";
import { sizeOf, View } from "../view.ts";
import type { PrimitiveRule, PrimitiveRules } from "./rule.ts";

/**
 * Brings a value into a form in which each listed logical axis is one dimension of the tensor, and calls `emit` with the
 * tensor and the positions of those axes; the memory order of the value is kept. Other axes may change neither size nor place.
 */
export function alongAxes(
  lowering: Lowering,
  value: Value,
  axes: readonly number[],
  emit: (tensor: Tensor, positions: readonly number[]) => Tensor,
): Value {
  const clean = axes.every((axis) => {
    const factors = value.view.axes[axis]!;
    return factors.length === 1 && factors[0]!.stride !== 0;
  });
  if (!clean) {
    const dense = lowering.dense(value);
    return lowering.contiguous(emit(dense, axes), value.dtype);
  }
  const factors = value.view.axes.flatMap((factorsOfAxis, axis) =>
    factorsOfAxis.map((factor) => ({ ...factor, axis })),
  );
  const inMemory = factors.filter(({ stride }) => stride !== 0).sort((a, b) => b.stride - a.stride);
  const tensor = lowering.graph.reshape(
    value.tensor,
    inMemory.map(({ size }) => size),
  );
  const result = emit(
    tensor,
    axes.map((axis) => inMemory.findIndex((factor) => factor.axis === axis)),
  );
  const strides = new Map<(typeof inMemory)[number], { size: number; stride: number }>();
  let stride = 1;
  for (let i = inMemory.length - 1; i >= 0; i--) {
    const size = result.shape[i]!;
    strides.set(inMemory[i]!, { size, stride });
    stride *= size;
  }
  const view = new View(
    value.view.axes.map((_, axis) =>
      factors
        .filter((factor) => factor.axis === axis)
        .map((factor) => strides.get(factor) ?? { size: factor.size, stride: 0 })
        .filter(({ size }) => size !== 1),
    ),
  );
  return { tensor: result, view, dtype: value.dtype };
}

function withSizes(tensor: Tensor, positions: readonly number[], sizes: readonly number[]): number[] {
  const shape = [...tensor.shape];
  positions.forEach((position, i) => {
    shape[position] = sizes[i]!;
  });
  return shape;
}

/** Cuts [start, end) out of the listed axes. */
export function slice(
  lowering: Lowering,
  value: Value,
  axes: readonly number[],
  ranges: readonly (readonly [number, number])[],
): Value {
  const { graph } = lowering;
  // A cut out of a broadcast only shortens it.
  const shape = value.view.shape;
  const broadcastAxes = axes.filter((axis) => value.view.axes[axis]!.every(({ stride }) => stride === 0));
  let result = value;
  if (broadcastAxes.length > 0) {
    result = {
      ...value,
      view: new View(
        value.view.axes.map((axis, i) => {
          const k = axes.indexOf(i);
          if (!broadcastAxes.includes(i)) return axis;
          const size = ranges[k]![1] - ranges[k]![0];
          return size === 1 ? [] : [{ size, stride: 0 }];
        }),
      ),
    };
  }
  const rest = axes.flatMap((axis, k) => (broadcastAxes.includes(axis) ? [] : [{ axis, range: ranges[k]! }]));
  if (rest.length === 0 && result.view.size > 0) return result;
  if (sizeOf(shape) === 0 || ranges.some(([start, end]) => start === end)) {
    const dense = lowering.dense(value);
    return lowering.contiguous(emitSlice(dense, axes, ranges), value.dtype);
  }
  return alongAxes(
    lowering,
    result,
    rest.map(({ axis }) => axis),
    (tensor, positions) =>
      emitSlice(
        tensor,
        positions,
        rest.map(({ range }) => range),
      ),
  );

  function emitSlice(
    tensor: Tensor,
    positions: readonly number[],
    cuts: readonly (readonly [number, number])[],
  ): Tensor {
    return graph.op(
      "Slice",
      [
        tensor,
        graph.indices(cuts.map(([start]) => start)),
        graph.indices(cuts.map(([, end]) => end)),
        graph.indices(positions),
      ],
      tensor.type,
      withSizes(
        tensor,
        positions,
        cuts.map(([start, end]) => end - start),
      ),
    );
  }
}

/** Puts zeros before and after the listed axes. */
export function pad(
  lowering: Lowering,
  value: Value,
  axes: readonly number[],
  widths: readonly (readonly [number, number])[],
): Value {
  const { graph } = lowering;
  return alongAxes(lowering, value, axes, (tensor, positions) => {
    const side = (which: 0 | 1) =>
      tensor.shape.map((_, position) => widths[positions.indexOf(position)]?.[which] ?? 0);
    // Widths of all dimensions: ONNX Runtime, where it moves a Transpose behind a Pad, reads those of listed axes wrongly.
    return graph.op(
      "Pad",
      [tensor, graph.indices([...side(0), ...side(1)])],
      tensor.type,
      tensor.shape.map((size, i) => size + side(0)[i]! + side(1)[i]!),
    );
  });
}

const transpose: PrimitiveRule = {
  support: "all",
  operators: "none (view)",
  lower: (lowering, [x], { params }) => [lowering.transpose(x!, params.perm as number[])],
};

const broadcast: PrimitiveRule = {
  support: "all",
  operators: "none (view)",
  lower: (lowering, [x], { params }) => [
    lowering.broadcast(x!, params.shape as number[], params.axis as number[]),
  ],
};

const reshape: PrimitiveRule = {
  support: "all",
  operators: "none (view) or Transpose",
  lower: (lowering, [x], { params }) => [lowering.reshape(x!, params.shape as number[])],
};

const flip: PrimitiveRule = {
  support: "all",
  operators: "Gather or Slice",
  lower(lowering, [x], { params }) {
    const { graph } = lowering;
    const axes = (params.axis as number[]).filter((axis) =>
      x!.view.axes[axis]!.some(({ stride }) => stride !== 0),
    );
    if (axes.length === 0 || x!.view.size === 0) return [x!];
    return [
      alongAxes(lowering, x!, axes, (tensor, positions) => {
        const [only] = positions;
        // Swapping two blocks (as rotary encoding does) is a copy of blocks in Gather; Slice steps element by element.
        if (positions.length === 1 && tensor.shape[only!] === 2) {
          return graph.op("Gather", [tensor, graph.indices([1, 0])], tensor.type, tensor.shape, {
            axis: only!,
          });
        }
        return graph.op(
          "Slice",
          [
            tensor,
            graph.indices(positions.map(() => -1)),
            graph.indices(positions.map(() => -(2 ** 31))),
            graph.indices(positions),
            graph.indices(positions.map(() => -1)),
          ],
          tensor.type,
          tensor.shape,
        );
      }),
    ];
  },
};

const shrink: PrimitiveRule = {
  support: "all",
  operators: "Slice",
  lower(lowering, [x], { params }) {
    const ranges = params.slice as [number, number][];
    const shape = x!.view.shape;
    const axes = ranges.flatMap(([start, end], axis) => (start === 0 && end === shape[axis] ? [] : [axis]));
    if (axes.length === 0) return [x!];
    return [
      slice(
        lowering,
        x!,
        axes,
        axes.map((axis) => ranges[axis]!),
      ),
    ];
  },
};

const padRule: PrimitiveRule = {
  support: "all",
  operators: "Pad",
  lower(lowering, [x], { params }) {
    const widths = params.width as [number, number][];
    const axes = widths.flatMap(([before, after], axis) => (before === 0 && after === 0 ? [] : [axis]));
    if (axes.length === 0) return [x!];
    return [
      pad(
        lowering,
        x!,
        axes,
        axes.map((axis) => widths[axis]!),
      ),
    ];
  },
};

const concatenate: PrimitiveRule = {
  support: "all",
  operators: "Concat",
  lower(lowering, inputs, { params, outBinders }) {
    const { graph } = lowering;
    const { shape, dtype } = outBinders[0]!.aval;
    const axis = params.axis as number;
    const tensors = inputs.map((value) => lowering.dense(lowering.cast(value, dtype)));
    if (tensors.length === 1) return [lowering.contiguous(tensors[0]!, dtype)];
    return [lowering.contiguous(graph.op("Concat", tensors, tensors[0]!.type, shape, { axis }), dtype)];
  },
};

const split: PrimitiveRule = {
  support: "all",
  operators: "Split or Slice",
  lower(lowering, [x], { params, outBinders }) {
    const { graph } = lowering;
    const axis = params.axis as number;
    const sizes = params.sizes as number[];
    const used = outBinders.filter((v) => lowering.isUsed(v)).length;
    if (used < 2 || x!.view.hasBroadcast || x!.view.size === 0) {
      let start = 0;
      return sizes.map((size) => {
        const range = [start, start + size] as const;
        start += size;
        return slice(lowering, x!, [axis], [range]);
      });
    }
    const dense = lowering.dense(x!);
    const shapes = sizes.map((size) => dense.shape.map((s, i) => (i === axis ? size : s)));
    const outputs = graph.node(
      "Split",
      [dense, graph.indices(sizes)],
      shapes.map((shape) => ({ type: dense.type, shape })),
      { axis },
    );
    return outputs.map((tensor) => lowering.contiguous(tensor, x!.dtype));
  },
};

export const movementRules: PrimitiveRules = {
  transpose,
  broadcast,
  reshape,
  flip,
  shrink,
  pad: padRule,
  concatenate,
  split,
};
