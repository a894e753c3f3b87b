import type { Checkpoint } from "../checkpoint/index.ts";
import { CheckpointError } from "../errors.ts";
import { type OptimizerMethod, optimizerMethods } from "../optim/index.ts";
import { singularValues } from "../spectral/index.ts";

/** The momentum of one matrix that Muon orthogonalises, by its singular values. */
export interface MomentumMatrix {
  /** Of the parameter. */
  readonly path: string;
  readonly rows: number;
  readonly columns: number;
  /** Divided by the Frobenius norm, descending, in float64. */
  readonly singularValues: Float64Array;
}

/** Groups of parameters whose momentum is orthogonalised, and its name in their state. */
const orthogonalizing = Object.entries<OptimizerMethod>(optimizerMethods).flatMap(
  ([group, { orthogonalized }]) => (orthogonalized === undefined ? [] : [[group, orthogonalized] as const]),
);

/** Where optimizers keep a momentum that they orthogonalise: behind an average of the parameters, everything is one deeper. */
const momentumPath = new RegExp(
  `^optimizer\\.(?:\\d+\\.)*(?:${orthogonalizing.map(([group, part]) => `${group}\\.(?:\\d+\\.)*${part}`).join("|")})\\.(.+)$`,
);

/**
 * Singular values of the momentum matrices that Muon, or another optimizer, orthogonalises, in a checkpoint; matrices of zeros are left out, and so are arrays of other ranks.
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
      `checkpoint ${file}: has no momentum matrices: the run was not trained with ${orthogonalizing.map(([group]) => group).join(", ")}`,
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
