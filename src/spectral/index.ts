export {
  type CoefficientChoice,
  type Coefficients,
  type CoefficientTable,
  type CoefficientTableName,
  coefficientTable,
  coefficientTables,
} from "./coefficients.ts";
export { type NewtonSchulzOptions, newtonSchulz } from "./newtonSchulz.ts";
