import { grad, jit, jvp, lax, nn, numpy as np } from "@jax-js/jax";
import { float32, randomArray } from "../arrays.ts";
import { roundingOfFloat32, type Tolerance } from "../compareWithJax.ts";
import { CaseTable, Float64, sample } from "../primitiveCase.ts";

const table = new CaseTable();

/** Factorizations and solves of matrices with a condition number of about 10. */
const factorizations: Tolerance = { relative: 2e-5, absolute: 2e-5 };

/** A symmetric matrix (or a batch of them) whose eigenvalues lie between about 1 and 10. */
function positiveDefinite(seed: number, batch: readonly number[], n: number): np.Array {
  const x = randomArray(seed, [...batch, n, n]);
  const square = np.matmul(x.ref, np.swapaxes(x, -1, -2));
  return square.add(np.eye(n));
}
function triangular(seed: number, batch: readonly number[], n: number): np.Array {
  return np.triu(randomArray(seed, [...batch, n, n]).mul(0.5)).add(np.eye(n).mul(2));
}

for (const [batch, n] of [
  [[], 1],
  [[], 5],
  [[3], 4],
  [[2, 2], 3],
] as const) {
  const shape = `[${[...batch, n, n].join()}]`;
  table.add(
    "cholesky",
    shape,
    (a: np.Array) => np.linalg.cholesky(a),
    () => [positiveDefinite(1, batch, n)],
    factorizations,
  );
  table.add(
    "cholesky",
    `${shape}, gradient`,
    grad((a: np.Array) => np.square(np.linalg.cholesky(a)).mul(0.5).sum()),
    () => [positiveDefinite(2, batch, n)],
    factorizations,
  );
  table.add(
    "triangular_solve",
    `${shape}, upper and lower, unit diagonal, transposed`,
    (a: np.Array, b: np.Array) => [
      lax.linalg.triangularSolve(a.ref, b.ref, { leftSide: true }),
      lax.linalg.triangularSolve(a.ref, b.ref, { leftSide: true, unitDiagonal: true }),
      lax.linalg.triangularSolve(np.swapaxes(a.ref, -1, -2), b.ref, { leftSide: true, lower: true }),
      lax.linalg.triangularSolve(a.ref, b.ref, { leftSide: true, transposeA: true }),
      lax.linalg.triangularSolve(a, np.swapaxes(b, -1, -2)),
    ],
    () => [triangular(3, batch, n), randomArray(4, [...batch, n, 2])],
    factorizations,
  );
  table.add(
    "triangular_solve",
    `${shape}, gradient`,
    grad(
      (a: np.Array, b: np.Array) => np.square(lax.linalg.triangularSolve(a, b, { leftSide: true })).sum(),
      { argnums: [0, 1] },
    ),
    () => [triangular(5, batch, n), randomArray(6, [...batch, n, 2])],
    factorizations,
  );
}
table.addUnsupported(
  "cholesky",
  "a matrix that would unroll into a huge graph",
  (a: np.Array) => np.linalg.cholesky(a),
  () => [np.eye(200)],
);
for (const [name, fn] of [
  ["of a square matrix", (a: np.Array) => lax.linalg.lu(a)],
  ["determinant", (a: np.Array) => np.linalg.det(a)],
  ["inverse", (a: np.Array) => np.linalg.inv(a)],
] as const) {
  table.addUnsupported("lu", name, fn, () => [positiveDefinite(7, [], 3)]);
}
table.addUnsupported(
  "jacobi_eigh",
  "eigenvalues",
  (a: np.Array) => np.linalg.eigvalsh(a),
  () => [positiveDefinite(8, [], 3)],
);

for (const n of [1, 2, 3, 4, 8, 15, 37]) {
  table.add(
    "fft",
    `${n} points, forth and back`,
    (real: np.Array, imag: np.Array) => [
      np.fft.fft({ real: real.ref, imag: imag.ref }),
      np.fft.ifft({ real: real.ref, imag: imag.ref }),
      np.fft.fft({ real: real.transpose(), imag: imag.transpose() }, 0),
    ],
    () => [randomArray(9, [2, n]), randomArray(10, [2, n])],
    roundingOfFloat32,
  );
}
table.add(
  "fft",
  "several axes, real transforms, convolution by spectra and its gradient",
  (x: np.Array, w: np.Array) => [
    np.fft.fft2({ real: x.ref, imag: np.zerosLike(x.ref) }),
    np.fft.rfft(x.ref),
    np.fft.irfft(np.fft.rfft(x.ref)),
    grad((a: np.Array) => {
      const { real, imag } = np.fft.rfft(a);
      return real.mul(0.5).add(imag.mul(w)).sum();
    })(x),
  ],
  () => [randomArray(11, [4, 6]), randomArray(12, [4, 4])],
  roundingOfFloat32,
);
table.add(
  "fft",
  "float64",
  (real: np.Array, imag: np.Array) => np.fft.fft({ real, imag }),
  () => [sample(Float64, [3, 8], 1), sample(Float64, [3, 8], 2)],
  { relative: 1e-12, absolute: 1e-13 },
);

// Calls ------------------------------------------------------------------------------------------------------------------

const inner = jit(function inner(x: np.Array, y: np.Array) {
  return { sum: x.ref.add(y.ref), table: np.take(x.mul(y), np.arange(2), 0) };
});
table.add(
  "jit",
  "nested calls with constants of their own, called twice",
  (x: np.Array) => {
    const outer = jit((a: np.Array, b: np.Array) => {
      const { sum, table: rows } = inner(a, b);
      return [sum, rows.add(float32([3], [1, 2, 3]))];
    });
    const [s, r] = outer(x.ref, x.ref.mul(2)) as [np.Array, np.Array];
    const [t, q] = outer(s, x) as [np.Array, np.Array];
    return { r, deep: [{ t }, [q]] };
  },
  () => [randomArray(1, [4, 3])],
  roundingOfFloat32,
);
table.add(
  "jit",
  "library functions that are jitted inside",
  (x: np.Array) => [
    np.tanh(x.ref),
    nn.gelu(x.ref),
    nn.silu(x.ref),
    nn.softmax(x.ref, -1),
    nn.logSoftmax(x.ref, 0),
    nn.standardize(x.ref, -1),
    np.power(np.absolute(x.ref), 1.5),
    np.sign(x.ref),
    np.atan2(x.ref, x.ref.transpose()),
    np.round(x.ref.mul(4)),
    np.nanToNum(x.ref.div(0)),
    nn.logsumexp(x, 1),
  ],
  () => [randomArray(2, [4, 4], { low: -3, high: 3 })],
  roundingOfFloat32,
);
table.add(
  "jit",
  "derivatives of a jitted function, first and second",
  (x: np.Array, v: np.Array) => {
    const f = jit((a: np.Array) => np.tanh(a.ref).mul(a).sum());
    return [grad(f)(x.ref), jvp(grad(f), [x], [v])];
  },
  () => [randomArray(3, [5]), randomArray(4, [5])],
  roundingOfFloat32,
);

export const routineCases = table.cases;
