/**
 * Singular values of matrices: `msign`, Newton–Schulz iteration and its coefficients, power iteration, Schatten norms, inverse roots.
 *
 * @module rotor/spectral
 */
export { type Balanced, balance, largestMagnitude } from "./balance.ts";
export {
  type FoundCoefficients,
  type FoundSchedule,
  findCoefficients,
  findSchedule,
  findTriple,
  type SearchOptions,
} from "./coefficientSearch.ts";
export {
  type CoefficientChoice,
  type Coefficients,
  type CoefficientTable,
  type CoefficientTableName,
  coefficientTable,
  coefficientTables,
} from "./coefficients.ts";
export { gaussianSingularValues } from "./gaussianSingularValues.ts";
export { type InverseRootOptions, inverseRoot } from "./inverseRoot.ts";
export { msign } from "./msign.ts";
export { msignByProducts } from "./msignByProducts.ts";
export { type NewtonSchulzOptions, newtonSchulz, newtonSchulzDefaults } from "./newtonSchulz.ts";
export { orthogonalFactor } from "./orthogonalFactor.ts";
export {
  boundedUpTo,
  coefficientsOfRoots,
  iteratePolynomial,
  polynomialError,
  type SampledError,
  sampledError,
} from "./polynomialIteration.ts";
export {
  columnNorms,
  imageOf,
  orthonormalize,
  type PowerIterationOptions,
  powerIteration,
  powerSteps,
  type SingularTriplets,
  spectralNorm,
} from "./powerIteration.ts";
export { schattenGradient, schattenGradientByProducts, schattenNorm } from "./schatten.ts";
export { spectralClip } from "./spectralClip.ts";
export { type Spectrum, spectrum, summarizeSpectrum } from "./spectrum.ts";
export {
  singularValues,
  symmetricEigenvalues,
  type Tridiagonal,
  type TridiagonalEigen,
  tridiagonalEigen,
  tridiagonalEigenvalues,
} from "./symmetricEigenvalues.ts";
