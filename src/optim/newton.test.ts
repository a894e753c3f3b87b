import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { grad, jit, jvp, numpy as np, tree } from "@jax-js/jax";
import { Matrix, solve } from "ml-matrix";
import { compile } from "../compile/index.ts";
import { ConfigError } from "../errors.ts";
import { exactSvd, randomMatrix } from "../spectral/testing/oracle.ts";
import { applyUpdates, type GradientTransformation, newton, newtonCg, type Tree } from "./index.ts";
import { withLiveArrays } from "./testing/liveArrays.ts";

type Loss = (params: Tree) => np.Array;

const productOf =
  (loss: Loss) =>
  (params: Tree, vector: Tree): Tree => {
    const [value, tangent] = jvp(grad(loss), [params], [vector]) as [Tree, Tree];
    tree.dispose(value);
    return tangent;
  };

const methods = {
  newton: (loss: Loss) => newton({ hessianVectorProduct: productOf(loss) }),
  "newton-cg": (loss: Loss) => newtonCg({ hessianVectorProduct: productOf(loss), iterations: 8 }),
};

/** Weights after each step, as one list per step. */
function descend(
  loss: Loss,
  start: Tree,
  transformation: GradientTransformation,
  numSteps: number,
): number[][] {
  let params = start;
  let state = transformation.init(tree.ref(params));
  const gradient = grad(loss) as (params: Tree) => Tree;
  const kept: number[][] = [];
  for (let step = 0; step < numSteps; step++) {
    const [updates, next] = transformation.update(gradient(tree.ref(params)), state, tree.ref(params));
    state = next;
    params = applyUpdates(params, updates);
    kept.push((tree.leaves(tree.ref(params)) as np.Array[]).flatMap((leaf) => [...leaf.dataSync()]));
  }
  tree.dispose([params, state]);
  return kept;
}

function assertClose(actual: readonly number[], expected: readonly number[], tolerance: number): void {
  expected.forEach((value, i) => {
    assert.ok(
      Math.abs(actual[i]! - value) <= tolerance * (1 + Math.abs(value)),
      `${actual[i]}, not ${value}`,
    );
  });
}

/** `½ xᵀAx − bᵀx` over the elements of `{ matrix: [2, 2], vector: [3] }`. */
function quadratic(eigenvalues: readonly number[]): { loss: Loss; optimum: number[]; start: () => Tree } {
  const n = eigenvalues.length;
  const { u } = exactSvd(randomMatrix(n, n, 5));
  const a = u.mmul(Matrix.diag([...eigenvalues])).mmul(u.transpose());
  const b = randomMatrix(1, n, 6)[0]!;
  const loss = ({ matrix, vector }: Tree) => {
    const x = np.concatenate([matrix.reshape([4]), vector]);
    const half = np.dot(x.ref, np.matmul(np.array(a.to2DArray()), x.ref)).mul(0.5);
    return half.sub(np.dot(np.array(b), x));
  };
  const optimum = solve(a, Matrix.columnVector(b)).to1DArray();
  return { loss, optimum, start: () => ({ matrix: np.ones([2, 2]), vector: np.zeros([3]) }) };
}

describe("one step reaches the optimum of a quadratic:", () => {
  const { loss, optimum, start } = quadratic([4, 3, 2, 1.5, 1, 0.8, 0.5]);
  for (const [name, make] of Object.entries(methods)) {
    test(name, () => {
      // Float32, at a condition number of 8.
      assertClose(descend(loss, start(), make(loss), 1)[0]!, optimum, 1e-4);
    });
  }
  test("newton-cg under jit and compiled", async () => {
    const step = (params: Tree) => {
      const transformation = methods["newton-cg"](loss);
      const state = transformation.init(tree.ref(params));
      const gradients = (grad(loss) as (params: Tree) => Tree)(tree.ref(params));
      const [updates, next] = transformation.update(gradients, state, tree.ref(params));
      tree.dispose(next);
      return applyUpdates(params, updates);
    };
    await using compiled = compile(step, { threads: 1 });
    const traced = jit(step) as (params: Tree) => Tree;
    const run = compiled as (params: Tree) => Promise<Tree>;
    for (const result of [traced(start()), await run(start())]) {
      const weights = [...result.matrix.dataSync(), ...result.vector.dataSync()];
      assertClose(weights, optimum, 1e-4);
    }
  });
  test("newton under jit", () => {
    const transformation = methods.newton(loss);
    const state = transformation.init(start());
    const gradients = (grad(loss) as (params: Tree) => Tree)(start());
    const [updates] = (jit(transformation.update as never) as typeof transformation.update)(
      gradients,
      state,
      start(),
    );
    const weights = applyUpdates(start(), updates);
    assertClose([...weights.matrix.dataSync(), ...weights.vector.dataSync()], optimum, 1e-4);
  });
});

test("Rosenbrock's function: the steps of Newton's method in float64, to the optimum", () => {
  const loss = (x: np.Array) => {
    const [a, b] = [x.ref.slice(0), x.slice(1)];
    return np
      .square(b.sub(np.square(a.ref)))
      .mul(100)
      .add(np.square(np.negative(a).add(1)));
  };
  let [x, y] = [-1.2, 1];
  const expected = Array.from({ length: 7 }, () => {
    const gradient = [-400 * x * (y - x * x) - 2 * (1 - x), 200 * (y - x * x)];
    const hessian = [
      [1200 * x * x - 400 * y + 2, -400 * x],
      [-400 * x, 200],
    ];
    const [dx, dy] = solve(new Matrix(hessian), Matrix.columnVector(gradient)).to1DArray();
    [x, y] = [x - dx!, y - dy!];
    return [x, y];
  });
  for (const make of Object.values(methods)) {
    const actual = descend(loss, np.array([-1.2, 1]), make(loss), 7);
    // The Hessian's condition number is 2500: float32 knows a step to a few 1e-4 of its length, which is up to 5.
    actual.forEach((weights, i) => {
      assertClose(weights, expected[i]!, 5e-3);
    });
    assertClose(actual.at(-1)!, [1, 1], 1e-3);
  }
});

test("logistic regression: the steps of Newton's method in float64", () => {
  const [numRows, numFeatures, ridge] = [40, 4, 0.1];
  const x = randomMatrix(numRows, numFeatures, 1);
  const labels = x.map((row, i) => (row[0]! - 0.5 * row[1]! + Math.sin(i) > 0 ? 1 : 0));
  const loss = (w: np.Array) => {
    const logits = np.matmul(np.array(x), w.ref);
    const softplus = np.log(np.exp(logits.ref).add(1));
    const mean = softplus.sub(logits.mul(np.array(labels))).mean();
    return mean.add(np.dot(w.ref, w).mul(ridge / 2));
  };
  let w: number[] = [0, 0, 0, 0];
  const expected = Array.from({ length: 5 }, () => {
    const p = x.map((row) => 1 / (1 + Math.exp(-row.reduce((sum, v, j) => sum + v * w[j]!, 0))));
    const gradient = w.map(
      (value, j) =>
        x.reduce((sum, row, i) => sum + (p[i]! - labels[i]!) * row[j]!, 0) / numRows + ridge * value,
    );
    const hessian = w.map((_, j) =>
      w.map(
        (__, k) =>
          x.reduce((sum, row, i) => sum + p[i]! * (1 - p[i]!) * row[j]! * row[k]!, 0) / numRows +
          (j === k ? ridge : 0),
      ),
    );
    const step = solve(new Matrix(hessian), Matrix.columnVector(gradient)).to1DArray();
    w = w.map((value, j) => value - step[j]!);
    return w;
  });
  for (const make of Object.values(methods)) {
    descend(loss, np.zeros([numFeatures]), make(loss), 5).forEach((weights, i) => {
      // Float32 gradients of order 1 and a condition number of about 3.
      assertClose(weights, expected[i]!, 2e-5);
    });
  }
});

describe("negative curvature", () => {
  // ½(2x² − y²): a saddle at the origin.
  const saddle = (w: np.Array) =>
    np
      .square(w)
      .mul(np.array([1, -0.5]))
      .sum();
  const from = () => np.array([1, 1]);
  const once = (transformation: GradientTransformation) => descend(saddle, from(), transformation, 1)[0]!;
  const hessianVectorProduct = productOf(saddle);
  test("Newton's method goes to the saddle; with |λ| it leaves along y", () => {
    assertClose(once(newton({ hessianVectorProduct })), [0, 0], 1e-6);
    assertClose(once(newton({ hessianVectorProduct, curvature: "absolute" })), [0, 2], 1e-6);
  });
  test("conjugate gradients stop at the first such direction, with what they have", () => {
    // g = (2, −1): gᵀHg = 8 − 1 = 7, length 5/7. The second direction has negative curvature.
    const first = [1 - (2 * 5) / 7, 1 + 5 / 7];
    for (const iterations of [1, 2, 5])
      assertClose(once(newtonCg({ hessianVectorProduct, iterations })), first, 1e-6);
  });
  test("and take the gradient if it is the very first", () => {
    const hill = (w: np.Array) => np.square(w).sum().mul(-1);
    const step = descend(hill, from(), newtonCg({ hessianVectorProduct: productOf(hill) }), 1)[0]!;
    assert.deepEqual(step, [3, 3]);
  });
});

describe("every option changes the result:", () => {
  const { loss, start } = quadratic([4, 3, 2, 1.5, 1, 0.8, 0.5]);
  const hessianVectorProduct = productOf(loss);
  const dense = { hessianVectorProduct };
  const cg = { hessianVectorProduct, iterations: 4 };
  const cases: Record<string, [GradientTransformation, GradientTransformation]> = {
    "newton learningRate": [newton(dense), newton({ ...dense, learningRate: 0.5 })],
    "newton damping": [newton(dense), newton({ ...dense, damping: 0.5 })],
    "newton-cg learningRate": [newtonCg(cg), newtonCg({ ...cg, learningRate: 0.5 })],
    "newton-cg damping": [newtonCg(cg), newtonCg({ ...cg, damping: 0.5 })],
    "newton-cg iterations": [newtonCg(cg), newtonCg({ ...cg, iterations: 2 })],
    "newton-cg tolerance": [newtonCg(cg), newtonCg({ ...cg, tolerance: 0.5 })],
  };
  for (const [name, [base, changed]] of Object.entries(cases)) {
    test(name, () => {
      const [a, b] = [base, changed].map((transformation) => descend(loss, start(), transformation, 1)[0]!);
      assert.ok(Math.max(...a!.map((value, i) => Math.abs(value - b![i]!))) > 1e-3);
    });
  }
  test("damping is the solution with H + damping·I", () => {
    const damped = ({ matrix, vector }: Tree) => {
      const square = np.square(matrix.ref.sub(1)).sum().add(np.square(vector.ref).sum());
      return loss({ matrix, vector }).add(square.mul(0.25));
    };
    const expected = descend(damped, start(), methods.newton(damped), 1)[0]!;
    for (const transformation of [
      newton({ ...dense, damping: 0.5 }),
      newtonCg({ ...cg, iterations: 8, damping: 0.5 }),
    ])
      assertClose(descend(loss, start(), transformation, 1)[0]!, expected, 1e-4);
  });
});

test("a flat direction takes no step, zero gradients none at all, and nothing stays alive", () => {
  const flat = (w: np.Array) =>
    np
      .square(w)
      .mul(np.array([1, 0]))
      .sum();
  for (const make of Object.values(methods)) {
    const [step] = descend(flat, np.array([3, 5]), make(flat), 1);
    assertClose(step!, [0, 5], 1e-6);
    const still = descend(flat, np.array([0, 0]), make(flat), 3).at(-1)!;
    assertClose(still, [0, 0], 0);
  }
  // Derivatives of jax-js keep constants; this product doesn't.
  const hessianVectorProduct = (params: np.Array, vector: np.Array) => {
    params.dispose();
    return vector.mul(2);
  };
  for (const transformation of [newton({ hessianVectorProduct }), newtonCg({ hessianVectorProduct })]) {
    const { result, alive } = withLiveArrays(() =>
      transformation.update(np.array([6, 0]), transformation.init(np.array([3, 5])), np.array([3, 5])),
    );
    const leaves = tree.leaves(result) as unknown as np.Array[];
    assert.deepEqual(
      alive.filter((array) => !leaves.includes(array)).map(({ shape }) => shape),
      [],
    );
  }
});

test("impossible options are refused", () => {
  const hessianVectorProduct = (_params: Tree, vector: Tree) => vector;
  for (const make of [
    () => newton({ hessianVectorProduct, damping: -1 }),
    () => newton({ hessianVectorProduct, curvature: "both" as never }),
    () => newtonCg({ hessianVectorProduct, iterations: 0 }),
    () => newtonCg({ hessianVectorProduct, damping: Number.NaN }),
    () => newtonCg({ hessianVectorProduct, tolerance: -1 }),
  ])
    assert.throws(make, ConfigError);
});
