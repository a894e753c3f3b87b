import assert from "node:assert/strict";
import { test } from "node:test";
import { type numpy as np, tree, valueAndGrad } from "@jax-js/jax";
import { type Quantizer, type QuantizerTree, simVq, vectorQuantizer } from "./index.ts";
import { arrayOf, normals } from "./testing/values.ts";

// Su-10519 in the notation of this library: rows E_k of the table, codes c_k = E_k W, g_k = ∂L/∂c_k. A step of SGD on both moves
//   c_k by −η( g_k WᵀW + E_k Σ_j E_jᵀ g_j ) + η² (g_k Wᵀ) Σ_j E_jᵀ g_j,
// the product of the two steps being the only other term. With E frozen the first term and the product vanish.

const [numCodes, dim, numVectors] = [12, 3, 5];
const eta = 0.3;
const table = normals([numCodes, dim], 1);
const transform = normals([dim, dim], 2);
const diagonal = normals([dim], 3);
const vectors = normals([numVectors, dim], 4);
const weights = { codebook: 2, commitment: 0.25 };

type Matrix = number[][];
const rows = (x: ArrayLike<number>, n: number): Matrix =>
  Array.from({ length: n }, (_, r) => Array.from({ length: dim }, (__, i) => x[r * dim + i]!));
const times = (a: Matrix, b: Matrix): Matrix =>
  a.map((row) => b[0]!.map((_, j) => row.reduce((sum, v, i) => sum + v * b[i]![j]!, 0)));
const transposed = (a: Matrix): Matrix => a[0]!.map((_, j) => a.map((row) => row[j]!));
const combine = (a: Matrix, b: Matrix, f: (x: number, y: number) => number): Matrix =>
  a.map((row, i) => row.map((v, j) => f(v, b[i]![j]!)));

/** `∂L/∂c` of the codebook loss, in float64, and which codes are selected. */
function codeGradients(codes: Matrix): { g: Matrix; selected: Set<number> } {
  const g = codes.map((row) => row.map(() => 0));
  const selected = new Set<number>();
  for (const z of rows(vectors, numVectors)) {
    const distances = codes.map((c) => Math.hypot(...c.map((v, i) => v - z[i]!)));
    const k = distances.indexOf(Math.min(...distances));
    selected.add(k);
    z.forEach((v, i) => {
      g[k]![i]! += (2 * weights.codebook * (codes[k]![i]! - v)) / (numVectors * dim);
    });
  }
  return { g, selected };
}

/** Gradients of the library's loss, as plain numbers. */
function gradients(
  quantizer: Quantizer,
  params: QuantizerTree,
  state: QuantizerTree,
): Record<string, Matrix> {
  const loss = (p: QuantizerTree) => {
    const { loss: total, ...rest } = quantizer.apply(p, state, arrayOf(vectors, [numVectors, dim]));
    tree.dispose(rest);
    return total;
  };
  const differentiate = valueAndGrad(loss) as (p: QuantizerTree) => [np.Array, Record<string, np.Array>];
  const [value, result] = differentiate(params);
  value.dispose();
  return Object.fromEntries(
    Object.entries(result).map(([name, array]) => {
      const count = array.shape.length === 1 ? 1 : array.shape[0]!;
      return [name, rows(array.dataSync(), count)];
    }),
  );
}

/** Movements of order 0.1 from float32 gradients of order 1. */
const rounding = 1e-6;

function assertMoves(actual: Matrix, expected: Matrix): void {
  for (const [k, row] of expected.entries()) {
    for (const [i, value] of row.entries()) {
      assert.ok(
        Math.abs(actual[k]![i]! - value) < rounding,
        `code ${k}: ${actual[k]![i]} instead of ${value}`,
      );
    }
  }
}

test("SimVQ: every code, selected or not, moves as the analysis says", () => {
  const [E, W] = [rows(table, numCodes), rows(transform, dim)];
  const codes = times(E, W);
  const { g, selected } = codeGradients(codes);
  assert.ok(selected.size >= 2 && selected.size < numCodes);
  const shared = times(transposed(E), g);
  for (const trainTable of [false, true]) {
    const quantizer = simVq({ numCodes, dim, loss: weights, trainTable });
    const arrays = { transform: arrayOf(transform, [dim, dim]), table: arrayOf(table, [numCodes, dim]) };
    const { transform: params, table: state } = arrays;
    const dW = trainTable
      ? gradients(quantizer, arrays, {})
      : gradients(quantizer, { transform: params }, { table: state });
    const step = (x: Matrix, d: Matrix | undefined) =>
      d === undefined ? x : combine(x, d, (a, b) => a - eta * b);
    const after = times(step(E, dW.table), step(W, dW.transform));
    const moved = combine(after, codes, (a, b) => a - b);
    const byTransform = times(E, shared);
    const byTable = times(times(g, transposed(W)), W);
    const product = times(times(g, transposed(W)), shared);
    const expected = byTransform.map((row, k) =>
      row.map((v, i) => {
        if (!trainTable) return -eta * v;
        return -eta * (byTable[k]![i]! + v) + eta ** 2 * product[k]![i]!;
      }),
    );
    assertMoves(moved, expected);
    // All of them move, those that no vector selected too; their own part is only the shared one.
    for (let k = 0; k < numCodes; k++) {
      assert.ok(Math.hypot(...moved[k]!) > 1e-3);
      if (!selected.has(k)) assertMoves([moved[k]!], [byTransform[k]!.map((v) => -eta * v)]);
    }
  }
});

test("diagonal SimVQ: −η( g_k w² + E_k Σ_j E_j g_j ), component by component", () => {
  const E = rows(table, numCodes);
  const w = [...diagonal];
  const codes = E.map((row) => row.map((v, i) => v * w[i]!));
  const { g } = codeGradients(codes);
  const shared = w.map((_, i) => E.reduce((sum, row, k) => sum + row[i]! * g[k]![i]!, 0));
  const quantizer = simVq({ numCodes, dim, loss: weights, transform: "diagonal", trainTable: true });
  const arrays = { transform: arrayOf(diagonal, [dim]), table: arrayOf(table, [numCodes, dim]) };
  const d = gradients(quantizer, arrays, {});
  const moved = E.map((row, k) =>
    row.map((v, i) => (v - eta * d.table![k]![i]!) * (w[i]! - eta * d.transform![0]![i]!) - codes[k]![i]!),
  );
  const expected = E.map((row, k) =>
    row.map((v, i) => {
      const first = g[k]![i]! * w[i]! ** 2 + v * shared[i]!;
      return -eta * first + eta ** 2 * g[k]![i]! * w[i]! * shared[i]!;
    }),
  );
  assertMoves(moved, expected);
});

test("plain VQ, for comparison: codes that no vector selected stand still", () => {
  const E = rows(table, numCodes);
  const { g, selected } = codeGradients(E);
  const quantizer = vectorQuantizer({ numCodes, dim, loss: weights });
  const { params, state } = quantizer.initFrom(arrayOf(table, [numCodes, dim]));
  const { codebook } = gradients(quantizer, params, state);
  assertMoves(codebook!, g);
  codebook!.forEach((row, k) => {
    assert.equal(Math.hypot(...row) > 0, selected.has(k));
  });
});
