import { ConfigError } from "../errors.ts";
import { optimizerMethods, withDefaults } from "../optim/index.ts";
import { type CoefficientChoice, coefficientTable } from "../spectral/index.ts";
import { checkTogether } from "./checkTogether.ts";
import { coefficientsProblem } from "./coefficientsFile.ts";
import { describeIssue, shownValue } from "./messages.ts";
import { isPlainObject } from "./plainObject.ts";
import { checkPlain } from "./readYaml.ts";
import {
  type AutoencoderConfig,
  type LanguageConfig,
  schemas,
  type TaskName,
  type TrainConfig,
} from "./schema.ts";

/**
 * Checks a configuration and fills in defaults.
 *
 * @throws ConfigError naming the first key that is wrong, its value and what is allowed
 */
export function parseConfig(value: unknown): TrainConfig {
  checkPlain(value, "config");
  const task = isPlainObject(value) && value.task !== undefined ? value.task : "language";
  if (typeof task !== "string" || !Object.hasOwn(schemas, task))
    throw new ConfigError(
      `config: task ${shownValue(task)}: expected one of ${Object.keys(schemas).join(", ")}`,
    );
  const schema = schemas[task as TaskName];
  const parsed = schema.safeParse(value);
  if (!parsed.success)
    throw new ConfigError(`config: ${describeIssue(schema, parsed.error.issues[0]!, value)}`);
  checkTogether(parsed.data);
  checkCoefficients(parsed.data);
  return parsed.data;
}

/** {@link parseConfig} for those who can only use a language model. @throws ConfigError also for other tasks */
export function parseLanguageConfig(value: unknown): LanguageConfig {
  const config = parseConfig(value);
  if (config.task !== "language") {
    throw new ConfigError(`config "${config.name}": task ${config.task}: expected a language model here`);
  }
  return config;
}

/** {@link parseConfig} for those who can only use an autoencoder. @throws ConfigError also for other tasks */
export function parseAutoencoderConfig(value: unknown): AutoencoderConfig {
  const config = parseConfig(value);
  if (config.task !== "autoencoder") {
    throw new ConfigError(`config "${config.name}": task ${config.task}: expected an autoencoder here`);
  }
  return config;
}

/** Coefficients that would multiply singular values without bound. @throws ConfigError */
function checkCoefficients({ optimizer }: TrainConfig): void {
  if (!("coefficients" in optimizer)) return;
  const { coefficients, steps } = withDefaults(optimizerMethods[optimizer.kind].options, optimizer) as {
    coefficients: CoefficientChoice;
    steps: number;
  };
  const problem = coefficientsProblem(coefficientTable(coefficients), steps);
  if (problem !== null) throw new ConfigError(`config: optimizer.coefficients: ${problem}`);
}
