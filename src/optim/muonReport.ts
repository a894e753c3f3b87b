import type { numpy as np } from "@jax-js/jax";
import { spectrum } from "../spectral/index.ts";
import type { Tree } from "./gradientTransformation.ts";
import { blockShapes, readMatrix, toBlocks } from "./matrixBlocks.ts";
import { type MuonOptions, muonRuleOf } from "./muon.ts";
import { muonScale } from "./muonScale.ts";
import { type OrthogonalizeOptions, orthogonalize, orthogonalizeTable } from "./orthogonalize.ts";
import { describePartition, type PartitionRow } from "./partition.ts";
import { treePaths } from "./transforms.ts";

/** Equal matrices that a parameter is read as. */
export interface MuonBlock {
  readonly count: number;
  readonly fanIn: number;
  readonly fanOut: number;
  /** Factor on the orthogonal update. */
  readonly scale: number;
}

export interface MuonRow extends PartitionRow {
  /** The reading, for parameters of the group `"muon"`; empty for others. */
  readonly blocks: readonly MuonBlock[];
}

/**
 * What {@link muon} with these options would do to every parameter: its group and the reason, the matrices that it is read as, and
 * their scale. A dry run before the first step; nothing is consumed.
 *
 * @throws ConfigError if a parameter of the group `"muon"` can't be read as matrices
 *
 * @example
 * ```ts
 * const rows = describeMuon({ up: np.zeros([64, 256]), scale: np.ones([64]) });
 * rows.map(({ path, group }) => [path, group]); // => [["up", "muon"], ["scale", "adamw"]]
 * rows[0]!.blocks; // => [{ count: 1, fanIn: 64, fanOut: 256, scale: 2 }]
 * ```
 */
export function describeMuon(params: Tree, options: MuonOptions = {}): MuonRow[] {
  const { scale = orthogonalizeTable.scale.default } = options;
  return describePartition(params, muonRuleOf(options)).map((row) => ({
    ...row,
    blocks:
      row.group !== "muon"
        ? []
        : blockShapes(readMatrix(row.path, row.shape, options)).map((block) => ({
            ...block,
            scale: muonScale(scale, block.fanIn, block.fanOut),
          })),
  }));
}

/** What one matrix becomes. */
export interface MuonDiagnosis {
  readonly path: string;
  /** Which matrix of the parameter, in the order of batch and split. */
  readonly block: number;
  readonly fanIn: number;
  readonly fanOut: number;
  readonly scale: number;
  /** Root mean square of the update, scale included; 0.2 is what AdamW does. */
  readonly updateRms: number;
  /** Largest singular value of the update, scale included. */
  readonly updateSpectralNorm: number;
  /** Singular values after the iteration, before the scale; exactly 1 for `msign` of a matrix of full rank. */
  readonly smallestSingularValue: number;
  readonly largestSingularValue: number;
}

/**
 * What Muon makes of these matrices, matrix by matrix, from singular values in float64. Reads values: not for use under `jit` or
 * `compile`.
 *
 * @param matrices - what is orthogonalised: the momentum `state.momentum` of `scaleByMuon` (with Nesterov, `g + momentum·m`). Consumed.
 * @throws ConfigError as {@link orthogonalize} (nothing is consumed then), DataError if the update isn't finite
 *
 * @example
 * ```ts
 * const [diagnosis] = muonDiagnostics({ up: np.array([[5, 0], [0, 0.1]]) }, { method: "exact" });
 * diagnosis!.path; // => "up"
 * diagnosis!.smallestSingularValue; // => 1.000
 * ```
 */
export function muonDiagnostics(matrices: Tree, options: OrthogonalizeOptions = {}): MuonDiagnosis[] {
  const { scale = "keller-jordan" } = options;
  const updates = orthogonalize(matrices, options);
  const rows = treePaths(updates).flatMap(({ path, array }) => {
    const reading = readMatrix(path, array.shape, options);
    const shapes = blockShapes(reading);
    let block = 0;
    return toBlocks(array, reading).flatMap((stack: np.Array, i) => {
      const { count, fanIn, fanOut } = shapes[i]!;
      const elements = stack.dataSync() as Float32Array;
      const factor = muonScale(scale, fanIn, fanOut);
      return Array.from({ length: count }, (_, j): MuonDiagnosis => {
        const own = elements.subarray(j * fanIn * fanOut, (j + 1) * fanIn * fanOut);
        const { singularValues, spectralNorm, frobeniusNorm } = spectrum(own, fanIn, fanOut);
        return {
          path,
          block: block++,
          fanIn,
          fanOut,
          scale: factor,
          updateRms: frobeniusNorm / Math.sqrt(fanIn * fanOut),
          updateSpectralNorm: spectralNorm,
          smallestSingularValue: singularValues.at(-1)! / factor,
          largestSingularValue: spectralNorm / factor,
        };
      });
    });
  });
  return rows;
}
