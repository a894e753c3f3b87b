import assert from "node:assert/strict";
import { test } from "node:test";
import { EngineArray } from "../compile/index.ts";
import { spectrum } from "../spectral/index.ts";
import { exactSvd, matrixWithSpectrum } from "../spectral/testing/oracle.ts";
import { SpectrumLog } from "./spectra.ts";

const array = (m: number[][]) => EngineArray.from(Float32Array.from(m.flat()), [m.length, m[0]!.length]);

function stateOf(params: object, optimizer: object) {
  return { leaves: () => ({ params, optimizer }) } as never;
}

test("follows the spectrum in float64, and the update since before", async () => {
  const tall = matrixWithSpectrum(12, 7, [3, 2, 1, 0.5, 0.4, 0.2, 0.1], 1);
  const wide = matrixWithSpectrum(5, 9, [4, 3.9, 0.3, 0.2, 0.1], 2);
  const moved = tall.map((row) => row.map((x, j) => x + 0.01 * (j % 2 === 0 ? 1 : -1)));
  const log = new SpectrumLog({ threads: 1 });
  const before = log.before(
    stateOf(
      {
        blocks: [{ tall: array(tall) }],
        wide: array(wide),
        bias: EngineArray.from(Float32Array.of(1, 2), [2]),
      },
      {},
    ),
  );
  const metrics = await log.measure(
    stateOf({ blocks: [{ tall: array(moved) }], wide: array(wide) }, {}),
    before,
  );
  await log.dispose();
  assert.deepEqual([...before.keys()], ["blocks.0.tall", "wide"]);
  for (const [path, m] of [
    ["blocks.0.tall", moved],
    ["wide", wide],
  ] as const) {
    // biome-ignore format: a row
    const exact = spectrum(m.flat(), m.length, m[0]!.length);
    for (const quantity of ["spectralNorm", "stableRank", "effectiveRank"] as const) {
      // The Gram matrix is in float32.
      const error = Math.abs(metrics[`${path}/${quantity}`]! - exact[quantity]);
      assert.ok(error < 1e-5 * exact[quantity], `${path} ${quantity}`);
    }
    const [first, second] = exact.singularValues;
    assert.ok(Math.abs(metrics[`${path}/gap`]! - first! / second!) < 1e-4);
    const rms = exact.frobeniusNorm / Math.sqrt(m.length * m[0]!.length);
    assert.ok(Math.abs(metrics[`${path}/rms`]! - rms) < 1e-5 * rms);
    assert.ok(!(`${path}/decayResidual` in metrics));
  }
  assert.ok(Math.abs(metrics["blocks.0.tall/updateRms"]! - 0.01) < 1e-6);
  assert.equal(metrics["wide/updateRms"], 0);
});

test("shows whether the vectors of a spectral decay have converged, wherever their state lies", async () => {
  const m = matrixWithSpectrum(6, 5, [4, 2, 1, 0.5, 0.2], 40);
  const { v, sigma } = exactSvd(m);
  const order = [...sigma.keys()].sort((a, b) => sigma[b]! - sigma[a]!);
  const vector = (weights: number[]) => {
    const values = Array.from({ length: 5 }, (_, i) =>
      weights.reduce((sum, w, j) => sum + w * v.get(i, order[j]!), 0),
    );
    return EngineArray.from(Float32Array.from(values), [1, 5, 1]);
  };
  const state = (w: EngineArray) => ({ muon: [{}, [{}, { rightSingularVectors: { w: [w] } }]] });
  const log = new SpectrumLog({ threads: 1 });
  const residual = async (w: EngineArray) => {
    const at = stateOf({ w: array(m) }, state(w));
    return (await log.measure(at, log.before(at)))["w/decayResidual"]!;
  };
  assert.ok((await residual(vector([1]))) < 1e-6);
  // (v₁ + v₂)/√2: the residual is 6/√10 and σ is √10.
  assert.ok(Math.abs((await residual(vector([Math.SQRT1_2, Math.SQRT1_2]))) - 0.6) < 1e-5);
  await log.dispose();
});

test("matrices that aren't finite, zero matrices and single rows give no metric that isn't a number", async () => {
  const params = { nan: array([[Number.NaN, 1]]), zero: array([[0, 0], [0, 0]]), row: array([[3, 4]]) }; // biome-ignore format: a row
  const log = new SpectrumLog({ threads: 1 });
  const metrics = await log.measure(stateOf(params, {}), log.before(stateOf(params, {})));
  await log.dispose();
  assert.ok(Object.values(metrics).every(Number.isFinite));
  assert.ok(!Object.keys(metrics).some((name) => name.startsWith("nan")));
  assert.equal(metrics["zero/spectralNorm"], 0);
  assert.ok(Math.abs(metrics["row/spectralNorm"]! - 5) < 1e-6);
});
