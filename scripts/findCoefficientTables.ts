// Prints the tables rotor-3, rotor-4 and rotor-5 of src/spectral/coefficients.ts with their errors.
import { boundedUpTo, type Coefficients, findSchedule, polynomialError } from "../src/spectral/index.ts";
import { coefficientMixture } from "../src/spectral/testing/coefficientMixture.ts";

const values = coefficientMixture();
for (const steps of [3, 4, 5]) {
  const found = findSchedule(values, steps, { bounded: true });
  const rounded = found.steps.map((triple) => triple.map((value) => Number(value.toFixed(5)))) as [
    number,
    number,
    number,
  ][] satisfies Coefficients[];
  console.log(`rotor-${steps}: ${JSON.stringify(rounded)}`);
  console.log(
    `  mse ${polynomialError(values, rounded, steps)}, bounded up to ${boundedUpTo(rounded, steps)}`,
  );
}
