import { type MuonScale, muonScale } from "./muonScale.ts";

/**
 * How large an update is of a matrix, whatever the gradient's size: what decides how its learning rate has to go with the matrix's.
 * - `"elements"`: elements of size `|g|^degree`: 0 for signs and for all that divides by a root of mean squares, 1 for SGD;
 * - `"parameter"`: elements of the size of the parameter's own;
 * - `"spectral"`: singular values of the size that `norm` says.
 */
export type UpdateSize =
  | { readonly kind: "elements"; readonly degree: number }
  | { readonly kind: "parameter" }
  | { readonly kind: "spectral"; norm(fanIn: number, fanOut: number): number };

/** Elements of size 1: the default of a row. */
export const unitElements: UpdateSize = { kind: "elements", degree: 0 };

/** Orthogonal matrices times a factor of Muon. */
export const spectralSize = (scale: MuonScale): UpdateSize => ({
  kind: "spectral",
  norm: (fanIn, fanOut) => muonScale(scale, fanIn, fanOut),
});
