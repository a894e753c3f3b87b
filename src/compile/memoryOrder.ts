import { type Axis, type Factor, type SharedDimension, View } from "./view.ts";

export const byStrideDescending = (a: { stride: number }, b: { stride: number }) => b.stride - a.stride;

/** Axes of an output whose dimensions lie in memory in the order given; dimensions that are absent from it are broadcasts. */
export function axesFromOrder(
  dimensions: readonly SharedDimension[],
  order: readonly SharedDimension[],
  shape: readonly number[],
): View {
  const strides = new Map<SharedDimension, number>();
  let stride = 1;
  for (let i = order.length - 1; i >= 0; i--) {
    strides.set(order[i]!, stride);
    stride *= order[i]!.size;
  }
  const axes: Factor[][] = shape.map(() => []);
  for (const dimension of dimensions) {
    axes[dimension.axis]!.push({ size: dimension.size, stride: strides.get(dimension) ?? 0 });
  }
  return new View(axes);
}

/** Keeps the memory order of the factors that are left after others were removed. */
export function compactStrides(axes: readonly Axis[]): Factor[][] {
  const stored = axes.flat().filter(({ stride }) => stride !== 0);
  const strides = new Map<Factor, number>();
  let stride = 1;
  for (const factor of [...stored].sort((a, b) => a.stride - b.stride)) {
    strides.set(factor, stride);
    stride *= factor.size;
  }
  return axes.map((axis) => axis.map((factor) => ({ size: factor.size, stride: strides.get(factor) ?? 0 })));
}
