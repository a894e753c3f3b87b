import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { shareDimensions, sizeOf, View } from "./view.ts";

/** For each element in logical order, where it lies in the buffer: the definition of a view. */
function places({ axes }: View): number[] {
  let offsets = [0];
  for (const { size, stride } of axes.flat()) {
    offsets = offsets.flatMap((offset) => Array.from({ length: size }, (_, i) => offset + i * stride));
  }
  return offsets;
}

/** A logical array of places, which is transposed, broadcast and reshaped index by index. */
interface Explicit {
  readonly shape: readonly number[];
  readonly at: readonly number[];
}

function indices(shape: readonly number[]): number[][] {
  return shape.reduce<number[][]>(
    (all, size) => all.flatMap((index) => Array.from({ length: size }, (_, i) => [...index, i])),
    [[]],
  );
}

function lookUp({ shape, at }: Explicit, index: readonly number[]): number {
  return at[shape.reduce((flat, size, i) => flat * size + index[i]!, 0)]!;
}

function transposed(array: Explicit, perm: readonly number[]): Explicit {
  const shape = perm.map((axis) => array.shape[axis]!);
  const at = indices(shape).map((index) => {
    const original: number[] = [];
    perm.forEach((axis, i) => {
      original[axis] = index[i]!;
    });
    return lookUp(array, original);
  });
  return { shape, at };
}

function stretched(array: Explicit, shape: readonly number[]): Explicit {
  const missing = shape.length - array.shape.length;
  const at = indices(shape).map((index) =>
    lookUp(
      array,
      array.shape.map((size, i) => (size === 1 ? 0 : index[i + missing]!)),
    ),
  );
  return { shape, at };
}

type Step =
  | { readonly kind: "transpose"; readonly seed: number }
  | { readonly kind: "broadcast"; readonly size: number }
  | { readonly kind: "reshape"; readonly seed: number };

const anyShape = fc.array(fc.constantFrom(1, 2, 3, 4, 6), { maxLength: 4 });
const anySteps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant("transpose" as const), seed: fc.nat(1000) }),
    fc.record({ kind: fc.constant("broadcast" as const), size: fc.integer({ min: 1, max: 3 }) }),
    fc.record({ kind: fc.constant("reshape" as const), seed: fc.nat(1000) }),
  ),
  { maxLength: 6 },
);

function permutationOf(length: number, seed: number): number[] {
  const perm = Array.from({ length }, (_, i) => i);
  for (let i = length - 1; i > 0; i--) {
    const j = (seed * (i + 7)) % (i + 1);
    [perm[i], perm[j]] = [perm[j]!, perm[i]!];
  }
  return perm;
}

/** Another shape of as many elements. */
function otherShape(size: number, seed: number): number[] {
  const shape: number[] = [];
  let rest = size;
  for (let i = 0; rest > 1; i++) {
    const divisors = Array.from({ length: rest }, (_, d) => d + 1).filter((d) => rest % d === 0);
    const chosen = divisors[(seed + i) % divisors.length]!;
    shape.push(chosen);
    rest /= chosen;
  }
  return shape;
}

/** Applies movements to a view and to the explicit array; a reshape that needs a copy starts from its result. */
function follow(
  shape: readonly number[],
  steps: readonly Step[],
  onStep: (view: View, array: Explicit) => void,
) {
  let view = View.contiguous(shape);
  let array: Explicit = { shape, at: places(view) };
  for (const step of steps) {
    if (sizeOf(array.shape) > 2000) return;
    if (step.kind === "transpose") {
      const perm = permutationOf(array.shape.length, step.seed);
      [view, array] = [view.transpose(perm), transposed(array, perm)];
    } else if (step.kind === "broadcast") {
      const target = [step.size, ...array.shape.map((size) => (size === 1 ? step.size : size))];
      [view, array] = [view.broadcastTo(target), stretched(array, target)];
    } else {
      const target = otherShape(sizeOf(array.shape), step.seed);
      const reshaped = view.reshape(target);
      if (reshaped === null) {
        // A copy: the elements lie in a new buffer in logical order.
        view = View.contiguous(target);
        array = { shape: target, at: places(view) };
      } else {
        [view, array] = [reshaped, { shape: target, at: array.at }];
      }
    }
    onStep(view, array);
  }
}

test("movements of a view move the elements as movements of an array do", () => {
  fc.assert(
    fc.property(anyShape, anySteps, (shape, steps) => {
      follow(shape, steps, (view, array) => {
        assert.deepEqual(view.shape, [...array.shape]);
        assert.deepEqual(places(view), array.at);
        assert.equal(view.hasBroadcast, new Set(array.at).size < array.at.length);
        assert.equal(view.storedSize, new Set(array.at).size);
        assert.equal(
          view.isContiguous,
          array.at.every((place, i) => place === i),
        );
      });
    }),
    { numRuns: 300 },
  );
});

test("a reshape is refused only if no strides could express it", () => {
  // Whether places are affine in the index along each prime factor of each axis: then factors exist.
  const isExpressible = ({ shape, at }: Explicit) => {
    const primes = shape.flatMap((size) => {
      const factors: number[] = [];
      for (let d = 2, rest = size; rest > 1; d++) for (; rest % d === 0; rest /= d) factors.push(d);
      // Any order of the prime factors of an axis may be the right one: sizes here have at most two different ones.
      return [factors];
    });
    const orders = primes.reduce<number[][]>(
      (all, factors) => {
        const variants = [factors, [...factors].reverse()];
        if (factors.length === 3) {
          const [a, b, c] = factors as [number, number, number];
          variants.push([b, a, c], [a, c, b], [c, a, b], [b, c, a]);
        }
        return all.flatMap((prefix) => variants.map((variant) => [...prefix, ...variant]));
      },
      [[]],
    );
    return orders.some((sizes) => {
      const strides = sizes.map((_, k) => {
        const unit = sizes.map((_, j) => Number(j === k));
        return lookUp({ shape: sizes, at }, unit) - at[0]!;
      });
      return indices(sizes).every(
        (index, flat) => at[flat] === index.reduce((sum, i, k) => sum + i * strides[k]!, at[0]!),
      );
    });
  };
  let refused = 0;
  fc.assert(
    fc.property(anyShape, fc.nat(1000), fc.nat(1000), (shape, seed, other) => {
      fc.pre(sizeOf(shape) > 1 && sizeOf(shape) < 200);
      const perm = permutationOf(shape.length, seed);
      const view = View.contiguous(shape).transpose(perm);
      const target = otherShape(sizeOf(shape), other);
      fc.pre(target.every((size) => size <= 12));
      const reshaped = view.reshape(target);
      if (reshaped === null) {
        refused++;
        assert.equal(isExpressible({ shape: target, at: places(view) }), false);
      } else {
        assert.deepEqual(places(reshaped), places(view));
      }
    }),
    { numRuns: 400 },
  );
  assert.ok(refused > 5, `only ${refused} were refused`);
});

test("shared dimensions address the elements of every view", () => {
  fc.assert(
    fc.property(anyShape, fc.nat(1000), anySteps, (shape, seed, steps) => {
      follow(shape, steps, (view, array) => {
        const logical = [...array.shape];
        const other = View.contiguous(
          permutationOf(logical.length, seed).map((axis) => logical[axis]!),
        ).transpose(invert(permutationOf(logical.length, seed)));
        const shared = shareDimensions([view, other], logical);
        if (typeof shared === "number") return;
        assert.deepEqual(
          logical.map((_, axis) =>
            shared.filter((dimension) => dimension.axis === axis).reduce((a, { size }) => a * size, 1),
          ),
          logical,
        );
        [view, other].forEach((one, i) => {
          const flat = new View([shared.map(({ size, strides }) => ({ size, stride: strides[i]! }))]);
          assert.deepEqual(places(flat), places(one));
        });
      });
    }),
    { numRuns: 150 },
  );
});

function invert(perm: readonly number[]): number[] {
  const inverse: number[] = [];
  perm.forEach((axis, i) => {
    inverse[axis] = i;
  });
  return inverse;
}
