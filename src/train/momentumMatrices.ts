import { CheckpointError } from "../errors.ts";
import { singularValues } from "../spectral/index.ts";
import type { Checkpoint } from "./checkpoint.ts";

/** The momentum of one matrix that Muon orthogonalises, by its singular values. */
export interface MomentumMatrix {
  /** Of the parameter. */
  readonly path: string;
  readonly rows: number;
  readonly columns: number;
  /** Divided by the Frobenius norm, descending, in float64. */
  readonly singularValues: Float64Array;
}

const momentumPath = /^optimizer\.muon\.(?:\d+\.)*momentum\.(.+)$/;

/**
 * Singular values of Muon's momentum matrices in a checkpoint; matrices of zeros are left out, and so are arrays of other ranks.
 * A fused matrix is taken whole, however Muon splits it.
 *
 * @param shape - only matrices of this shape
 * @throws CheckpointError if there are none
 */
export function momentumMatrices(
  { tensors, file }: Pick<Checkpoint, "tensors" | "file">,
  shape?: readonly [rows: number, columns: number],
): MomentumMatrix[] {
  const matrices = [...tensors].flatMap(([name, tensor]) => {
    const path = momentumPath.exec(name)?.[1];
    return path === undefined || tensor.shape.length !== 2 ? [] : [{ path, ...tensor }];
  });
  if (matrices.length === 0)
    throw new CheckpointError(
      `checkpoint ${file}: has no momentum matrices: the run was not trained with Muon`,
    );
  const chosen = matrices.filter(({ shape: own }) => shape === undefined || own.join() === shape.join());
  if (chosen.length === 0) {
    const shapes = [...new Set(matrices.map(({ shape: own }) => own.join("x")))].join(", ");
    throw new CheckpointError(
      `checkpoint ${file}: has no momentum of shape ${shape!.join("x")}; expected one of ${shapes}`,
    );
  }
  const result = chosen.flatMap(({ path, shape: own, data }) => {
    const [rows, columns] = own as [number, number];
    const values = singularValues(data as Float32Array, rows, columns);
    const norm = Math.hypot(...values);
    return norm > 0 ? [{ path, rows, columns, singularValues: values.map((value) => value / norm) }] : [];
  });
  if (result.length === 0) throw new CheckpointError(`checkpoint ${file}: every momentum matrix is zero`);
  return result;
}
