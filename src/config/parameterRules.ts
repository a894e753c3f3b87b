import { ConfigError } from "../errors.ts";
import type { ParameterRule } from "./adaptationSchema.ts";

/** Whether a pattern's names are those of a path: `*` is one name or a part of one, `**` any number of names. */
function matches([first, ...rest]: readonly string[], names: readonly string[]): boolean {
  if (first === undefined) return names.length === 0;
  if (first === "**") return [...names.keys(), names.length].some((from) => matches(rest, names.slice(from)));
  const [name, ...others] = names;
  if (name === undefined) return false;
  const parts = first.split("*").map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`).test(name) && matches(rest, others);
}

const isOf = ({ match }: ParameterRule, path: string) => matches(match.split("."), path.split("."));

/** What rules say of parameters by their paths. */
export class ParameterRules {
  readonly #rules: readonly ParameterRule[];

  constructor(rules: readonly ParameterRule[] = []) {
    this.#rules = rules;
  }

  /** @param byDefault - what holds where no rule says it */
  isTrained(path: string, byDefault: boolean): boolean {
    const last = this.#rules.findLast((rule) => rule.train !== undefined && isOf(rule, path));
    return last?.train ?? byDefault;
  }

  /** Factor on the learning rate. */
  factor(path: string): number {
    const last = this.#rules.findLast((rule) => rule.learningRateFactor !== undefined && isOf(rule, path));
    return last?.learningRateFactor ?? 1;
  }

  /** @param byDefault - what holds where no rule says it */
  decays(path: string, byDefault: boolean): boolean {
    const last = this.#rules.findLast((rule) => rule.decays !== undefined && isOf(rule, path));
    return last?.decays ?? byDefault;
  }

  /** Whether any rule says what decays. */
  get hasDecays(): boolean {
    return this.#rules.some(({ decays }) => decays !== undefined);
  }

  /** Whether any rule changes a learning rate. */
  get hasFactors(): boolean {
    return this.#rules.some(({ learningRateFactor = 1 }) => learningRateFactor !== 1);
  }

  /** @throws ConfigError naming a rule that is of none of these paths */
  check(paths: readonly string[]): void {
    const idle = this.#rules.find((rule) => !paths.some((path) => isOf(rule, path)));
    if (idle !== undefined)
      throw new ConfigError(
        `config: parameters: match "${idle.match}": is of no parameter; expected dotted paths with * and **, such as ${paths[0]} or blocks.*.mlp.**`,
      );
  }
}
