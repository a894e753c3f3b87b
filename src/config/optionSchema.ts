import { z } from "zod";
import type { NumberOption, OptimizerOption, OptionTable } from "../options/index.ts";
import { type CoefficientTableName, coefficientTables } from "../spectral/index.ts";
import { coefficientTableSchema } from "./coefficientsFile.ts";

function numberSchema({ min, max, openMin, openMax, integer }: NumberOption): z.ZodNumber {
  let schema = z.number();
  if (integer) schema = schema.int();
  if (min !== -Infinity) schema = openMin ? schema.gt(min) : schema.min(min);
  if (max !== Infinity) schema = openMax ? schema.lt(max) : schema.max(max);
  return schema;
}

const coefficientsSchema = z.union([
  z.enum(Object.keys(coefficientTables) as [CoefficientTableName]),
  coefficientTableSchema.shape.steps,
  coefficientTableSchema,
]);

function optionSchema(option: OptimizerOption): z.ZodType {
  switch (option.kind) {
    case "number":
      return numberSchema(option);
    case "nullable":
      return numberSchema(option.number).nullable();
    case "flag":
      return z.boolean();
    case "choice":
      return z.enum(option.values as [string]);
    case "coefficients":
      return coefficientsSchema;
    case "group":
      return z.strictObject(shapeOf(option.table));
    case "required":
      return option.of.kind === "list"
        ? z.array(numberSchema(option.of.each)).nonempty()
        : numberSchema(option.of);
    case "computed":
      return optionSchema(option.of);
  }
}

/** Schemas of the options of a table; all but the required ones may be left out. */
export const shapeOf = (table: OptionTable): z.ZodRawShape =>
  Object.fromEntries(
    Object.entries(table).map(([name, option]) => {
      const schema = optionSchema(option);
      return [name, option.kind === "required" ? schema : schema.exactOptional()];
    }),
  );
