/**
 * Lazy strided views: how a logical array lies in a tensor that holds it.
 *
 * A tensor is a dense buffer. A view gives each logical axis a list of factors, outermost first; an axis of size 6 may be
 * one factor of 6 or two factors of 2 and 3 that lie apart in memory. A factor with stride 0 is a broadcast. The factors
 * with a stride ≠ 0 enumerate the whole buffer exactly once, so every view is a permutation of the buffer plus broadcasts:
 * transposing, merging axes and broadcasting only rewrite the list.
 */
export interface Factor {
  readonly size: number;
  /** Distance in elements between neighbours along this factor; 0 means a broadcast. */
  readonly stride: number;
}

export type Axis = readonly Factor[];

export function sizeOf(shape: readonly number[]): number {
  let product = 1;
  for (const size of shape) product *= size;
  return product;
}

export function axisSize(axis: Axis): number {
  let product = 1;
  for (const factor of axis) product *= factor.size;
  return product;
}

/** Joins neighbouring factors that are one stretch of memory (or one broadcast). */
function mergeFactors(factors: readonly Factor[]): Factor[] {
  const merged: Factor[] = [];
  for (const factor of factors) {
    const last = merged.at(-1);
    if (last !== undefined && last.stride === factor.stride * factor.size) {
      merged[merged.length - 1] = { size: last.size * factor.size, stride: factor.stride };
    } else {
      merged.push(factor);
    }
  }
  return merged;
}

export class View {
  readonly axes: readonly Axis[];

  constructor(axes: readonly Axis[]) {
    this.axes = axes;
  }

  /** The view of a tensor in its own order. */
  static contiguous(shape: readonly number[]): View {
    const axes: Axis[] = [];
    let stride = 1;
    for (let i = shape.length - 1; i >= 0; i--) {
      const size = shape[i]!;
      axes.unshift(size === 1 ? [] : [{ size, stride }]);
      stride *= size;
    }
    return new View(axes);
  }

  /** The view of a single number, repeated. */
  static broadcastScalar(shape: readonly number[]): View {
    return new View(shape.map((size) => (size === 1 ? [] : [{ size, stride: 0 }])));
  }

  get shape(): number[] {
    return this.axes.map(axisSize);
  }

  get size(): number {
    return sizeOf(this.shape);
  }

  /** Number of elements of the buffer that are seen (broadcasts not counted). */
  get storedSize(): number {
    let product = 1;
    for (const axis of this.axes) for (const { size, stride } of axis) if (stride !== 0) product *= size;
    return product;
  }

  get hasBroadcast(): boolean {
    return this.axes.some((axis) => axis.some(({ stride }) => stride === 0));
  }

  /** True when the logical row-major order is the order in memory and nothing is broadcast. */
  get isContiguous(): boolean {
    let expected = 1;
    for (let i = this.axes.length - 1; i >= 0; i--) {
      const axis = this.axes[i]!;
      for (let j = axis.length - 1; j >= 0; j--) {
        const { size, stride } = axis[j]!;
        if (stride !== expected) return false;
        expected *= size;
      }
    }
    return true;
  }

  transpose(perm: readonly number[]): View {
    return new View(perm.map((i) => this.axes[i]!));
  }

  /** Inserts the axes listed in `added` and stretches axes of size 1, so that the result has the given shape. */
  broadcast(shape: readonly number[], added: readonly number[]): View {
    const axes: Axis[] = [];
    let next = 0;
    for (let i = 0; i < shape.length; i++) {
      const size = shape[i]!;
      const axis = added.includes(i) ? [] : this.axes[next++]!;
      axes.push(axis.length === 0 && size !== 1 ? [{ size, stride: 0 }] : axis);
    }
    return new View(axes);
  }

  /** Aligns the last axes with those of `shape` and stretches axes of size 1, as NumPy broadcasting does. */
  broadcastTo(shape: readonly number[]): View {
    const missing = shape.length - this.axes.length;
    return this.broadcast(
      shape,
      Array.from({ length: missing }, (_, i) => i),
    );
  }

  /** The same elements under another shape, or null if only a copy can have it. */
  reshape(shape: readonly number[]): View | null {
    if (sizeOf(shape) === 0) return View.contiguous(shape);
    const flat = mergeFactors(this.axes.flat());
    const axes: Axis[] = [];
    let index = 0;
    let rest = flat[0]?.size ?? 1;
    for (const size of shape) {
      const axis: Factor[] = [];
      let need = size;
      while (need > 1) {
        const factor = flat[index]!;
        if (need % rest === 0) {
          axis.push({ size: rest, stride: factor.stride });
          need /= rest;
          index++;
          rest = flat[index]?.size ?? 1;
        } else if (rest % need === 0) {
          rest /= need;
          axis.push({ size: need, stride: factor.stride * rest });
          need = 1;
        } else {
          return null;
        }
      }
      axes.push(mergeFactors(axis));
    }
    return new View(axes);
  }
}

/** One dimension shared by several views after their factors are split at the same places. */
export interface SharedDimension {
  /** The logical axis that it is part of. */
  readonly axis: number;
  readonly size: number;
  /** One stride per view. */
  readonly strides: readonly number[];
}

/**
 * Splits the factors of views of one logical shape at the same places.
 *
 * @returns The dimensions in logical order, without those of size 1, or the index of an axis on which the views can't be
 *   split alike (a 2·3 beside a 3·2).
 */
export function shareDimensions(
  views: readonly View[],
  shape: readonly number[],
): SharedDimension[] | number {
  const dimensions: SharedDimension[] = [];
  for (let axisIndex = 0; axisIndex < shape.length; axisIndex++) {
    const total = shape[axisIndex]!;
    if (total === 1) continue;
    const boundaries = new Set<number>([1, total]);
    for (const view of views) {
      let inner = 1;
      const axis = view.axes[axisIndex]!;
      for (let j = axis.length - 1; j >= 0; j--) {
        inner *= axis[j]!.size;
        boundaries.add(inner);
      }
    }
    const sorted = [...boundaries].sort((a, b) => b - a);
    for (let i = 0; i + 1 < sorted.length; i++) {
      const [outer, inner] = [sorted[i]!, sorted[i + 1]!];
      if (inner === 0 || outer % inner !== 0) {
        if (total === 0) continue;
        return axisIndex;
      }
    }
    if (total === 0) {
      dimensions.push({
        axis: axisIndex,
        size: 0,
        strides: views.map((view) => view.axes[axisIndex]![0]?.stride ?? 0),
      });
      continue;
    }
    for (let i = 0; i + 1 < sorted.length; i++) {
      const [outer, inner] = [sorted[i]!, sorted[i + 1]!];
      dimensions.push({
        axis: axisIndex,
        size: outer / inner,
        strides: views.map((view) => strideAt(view.axes[axisIndex]!, inner)),
      });
    }
  }
  return dimensions;
}

/** Stride of the part of an axis that begins at `inner` elements from its innermost end. */
function strideAt(axis: Axis, inner: number): number {
  let low = 1;
  for (let j = axis.length - 1; j >= 0; j--) {
    const { size, stride } = axis[j]!;
    if (inner < low * size) return stride * (inner / low);
    low *= size;
  }
  return 0;
}
