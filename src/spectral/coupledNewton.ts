import { numpy as np } from "@jax-js/jax";

/** The step after this distance from 1 leaves its square. */
const converged = 1e-3;

/** Steps of the scalar iteration from the smallest eigenvalue, which is the last to arrive at 1. */
function stepsNeeded(p: number, floor: number): number {
  let value = ((p + 1) / 2) * floor;
  let steps = 1;
  while (Math.abs(value - 1) > converged) {
    value *= ((p + 1 - value) / p) ** p;
    steps++;
  }
  return steps;
}

/** `a^p` by squaring; consumes `a`. */
function matrixPower(a: np.Array, p: number): np.Array {
  if (p === 1) return a;
  const half = matrixPower(a.ref, Math.floor(p / 2));
  const square = np.matmul(half.ref, half);
  if (p % 2 === 1) return np.matmul(square, a);
  a.dispose();
  return square;
}

/**
 * `A^(−1/p)` by the coupled Newton iteration `T = ((p+1)I − M)/p`, `X ← XT`, `M ← TᵖM` from `M = zA`, `X = z^(1/p)I`: products
 * only. A ridge of `floor` times (an upper bound of) the largest eigenvalue is added to A first.
 *
 * @param a - `float32[.., n, n]`, symmetric, positive semidefinite, with a mean eigenvalue of 1 or all zero; consumed
 * @param p - a positive integer
 *
 * Source: Iannazzo, 2006; Guo and Higham, 2006, A Schur–Newton method for the matrix pth root; Anil et al., arXiv 2002.09018.
 */
export function coupledNewton(a: np.Array, p: number, floor: number): np.Array {
  const n = a.shape.at(-1)!;
  const identity = np.eye(n);
  // ‖A⁴‖_F^(1/4) is at least the largest eigenvalue and at most n^(1/8) times it. A mean of 1 keeps A⁴ in range.
  const fourth = matrixPower(a.ref.mul(1 / n), 4);
  const norm = np.sqrt(np.square(fourth).sum([-2, -1], { keepdims: true }));
  const bound = np.sqrt(np.sqrt(norm)).mul(n).add(1e-30);
  const ridged = a.add(identity.ref.mul(bound.ref.mul(floor)));
  const z = np.reciprocal(bound).mul((p + 1) / 2 / (1 + floor));
  let m = ridged.mul(z.ref);
  let x = identity.ref.mul(np.exp(np.log(z).mul(1 / p)));
  const steps = stepsNeeded(p, floor);
  for (let step = 0; step < steps; step++) {
    const t = identity.ref.mul((p + 1) / p).sub(m.ref.mul(1 / p));
    x = np.matmul(x, t.ref);
    if (step + 1 < steps) m = np.matmul(matrixPower(t, p), m);
    else {
      t.dispose();
      m.dispose();
    }
  }
  identity.dispose();
  return x;
}
