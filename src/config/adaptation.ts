import { numpy as np, random } from "@jax-js/jax";
import type { ArrayType } from "../compile/index.ts";
import { ConfigError } from "../errors.ts";
import {
  initLora,
  type LoraAdapter,
  type LoraParams,
  type LoraTarget,
  loraScale,
  loraTargets,
  mergeLora,
  type TransformerParams,
} from "../nn/index.ts";
import type { LoraConfig } from "./adaptationSchema.ts";
import { ParameterRules } from "./parameterRules.ts";
import type { LanguageConfig, TrainConfig } from "./schema.ts";

/** Arrays by their dotted paths. */
export type FlatArrays = Readonly<Record<string, np.Array>>;

/** Types of arrays by their dotted paths. */
export type FlatTypes = ReadonlyMap<string, ArrayType>;

/** Of the paths of LoRA's matrices: `lora.blocks.0.attention.wq.a`. */
export const loraPrefix = "lora.";

/** Whether a configuration trains other parameters than all of the model. */
export function isAdapted(config: TrainConfig): boolean {
  return (
    config.task === "language" &&
    (config.lora !== undefined || (config.parameters ?? []).some(({ train }) => train === false))
  );
}

/** The tree of dotted paths; numbers are places of lists. */
export function nestedPaths(flat: ReadonlyMap<string, unknown>): TransformerParams {
  const root: Record<string, unknown> = {};
  for (const [path, array] of flat) {
    const keys = path.split(".");
    let node = root;
    keys.slice(0, -1).forEach((key, i) => {
      node[key] ??= /^\d+$/.test(keys[i + 1]!) ? [] : {};
      node = node[key] as Record<string, unknown>;
    });
    node[keys.at(-1)!] = array;
  }
  return root as unknown as TransformerParams;
}

/**
 * Which parameters of a model are trained, where not all of them are: matrices of LoRA beside frozen ones, and what rules say.
 */
export class Adaptation {
  /** What is trained, by path. */
  readonly trained: FlatTypes;
  /** What isn't, by path. */
  readonly frozen: FlatTypes;
  readonly #lora: LoraConfig | null;
  /** Adapted matrices by their path. */
  readonly #adapted: FlatTypes;

  /**
   * @param base - types of the model's parameters by path
   * @throws ConfigError for a rule or a target that there is nothing for, and for matrices that are adapted and trained at once
   */
  constructor({ lora, parameters }: Pick<LanguageConfig, "lora" | "parameters">, base: FlatTypes) {
    this.#lora = lora ?? null;
    const isTarget = new RegExp(`^blocks\\.\\d+\\.(attention|mlp)\\.(${(lora?.targets ?? []).join("|")})$`);
    const adapted = new Map(lora === undefined ? [] : [...base].filter(([path]) => isTarget.test(path)));
    this.#adapted = adapted;
    const rank = lora?.rank ?? 0;
    for (const [path, { shape }] of adapted) {
      if (rank > Math.min(...shape))
        throw new ConfigError(
          `config: lora.rank ${rank}: expected at most ${Math.min(...shape)}, the smaller side of ${path}`,
        );
    }
    const missing = lora?.targets.find(
      (target) => ![...adapted.keys()].some((path) => path.endsWith(`.${target}`)),
    );
    // By default all that there are.
    if (missing !== undefined && lora!.targets.length < loraTargets.length)
      throw new ConfigError(`config: lora.targets ${missing}: the model has no such matrix`);
    const changes = [...adapted].flatMap(([path, { shape, dtype }]): [string, ArrayType][] => [
      [`${loraPrefix}${path}.a`, { shape: [shape[0]!, rank], dtype }],
      [`${loraPrefix}${path}.b`, { shape: [rank, shape[1]!], dtype }],
    ]);
    const rules = new ParameterRules(parameters);
    const all = [...base, ...changes];
    rules.check(all.map(([path]) => path));
    const isTrained = ([path]: [string, ArrayType]) =>
      rules.isTrained(path, lora === undefined || path.startsWith(loraPrefix));
    const both = [...adapted.keys()].find((path) => isTrained([path, adapted.get(path)!]));
    if (both !== undefined)
      throw new ConfigError(
        `config: parameters: ${both} is to be trained, and LoRA changes it: expected one of both; lora.targets without it, or a rule of less`,
      );
    const idle = changes.find((change) => !isTrained(change));
    if (idle !== undefined)
      throw new ConfigError(
        `config: parameters: ${idle[0]} isn't to be trained: leave it out of lora.targets`,
      );
    this.trained = new Map(all.filter(isTrained));
    this.frozen = new Map([...base].filter((own) => !isTrained(own)));
    if (this.trained.size === 0)
      throw new ConfigError("config: parameters: nothing is left to train; expected a rule with train true");
  }

  /** Number of elements that are trained. */
  get numTrained(): number {
    let sum = 0;
    for (const { shape } of this.trained.values()) sum += shape.reduce((a, b) => a * b, 1);
    return sum;
  }

  /** LoRA's matrices at the beginning, by path; none without LoRA. @param seed - decides them */
  initial(seed: number): FlatArrays {
    const result: Record<string, np.Array> = {};
    if (this.#lora === null) return result;
    const keys = random.split(random.key(seed), this.#adapted.size + 1);
    let i = 1;
    for (const [path, { shape }] of this.#adapted) {
      const { a, b } = initLora(keys.ref.slice(i++), shape[0]!, shape[1]!, this.#lora.rank);
      result[`${loraPrefix}${path}.a`] = a;
      result[`${loraPrefix}${path}.b`] = b;
    }
    keys.dispose();
    return result;
  }

  #changes(trained: FlatArrays): [path: string, change: LoraParams][] {
    return [...this.#adapted.keys()].map((path) => {
      const [a, b] = ["a", "b"].map((name) => trained[`${loraPrefix}${path}.${name}`]!);
      return [path, { a: a!, b: b! }];
    });
  }

  #base(trained: FlatArrays, frozen: FlatArrays): Map<string, np.Array> {
    const own = Object.entries(trained).filter(([path]) => !path.startsWith(loraPrefix));
    return new Map([...Object.entries(frozen), ...own]);
  }

  /**
   * Parameters for a forward pass, with changes beside the matrices. Traceable.
   *
   * @param trained - consumed
   * @param frozen - consumed
   * @param key - random key for dropout, consumed; null for none
   */
  assemble(trained: FlatArrays, frozen: FlatArrays, key: np.Array | null = null): TransformerParams {
    const params = nestedPaths(this.#base(trained, frozen));
    if (this.#lora === null) {
      key?.dispose();
      return params;
    }
    const { dropout: rate } = this.#lora;
    const scale = loraScale(this.#lora);
    const keys = key === null || rate === 0 ? null : random.split(key.ref, this.#adapted.size);
    key?.dispose();
    const blocks = params.blocks as unknown as Record<"attention" | "mlp", Record<string, unknown>>[];
    this.#changes(trained).forEach(([path, change], i) => {
      const [, layer, part, target] = path.split(".") as [string, string, "attention" | "mlp", LoraTarget];
      const adapter: LoraAdapter = {
        a: change.a,
        // The scale goes to the smallest of the arrays.
        b: change.b.mul(scale),
        ...(keys === null ? {} : { dropout: { key: keys.ref.slice(i), rate: np.array(rate) } }),
      };
      const own = blocks[Number(layer)]![part];
      own.adapters = { ...(own.adapters as object | undefined), [target]: adapter };
    });
    keys?.dispose();
    return params;
  }

  /**
   * Adapted matrices with their changes added, by path. Traceable.
   *
   * @param changes - LoRA's matrices by path, consumed
   * @param matrices - adapted matrices by path, consumed
   */
  merge(changes: FlatArrays, matrices: FlatArrays): FlatArrays {
    return Object.fromEntries(
      this.#changes(changes).map(([path, change]) => [
        path,
        mergeLora(matrices[path]!, change, loraScale(this.#lora!)),
      ]),
    );
  }

  /** Whether parts of the changes' inputs are left out in training. */
  get hasDropout(): boolean {
    return this.#lora !== null && this.#lora.dropout > 0;
  }

  /** Whether a path is of one of LoRA's matrices. */
  static isChange(path: string): boolean {
    return path.startsWith(loraPrefix);
  }

  /** Adapted matrices by path. */
  get adapted(): FlatTypes {
    return this.#adapted;
  }
}

/** The adaptation of a configuration, or null if all of the model is trained. @throws ConfigError as {@link Adaptation} */
export function adaptationOf(config: TrainConfig, base: FlatTypes): Adaptation | null {
  if (config.task !== "language") return null;
  if (isAdapted(config)) return new Adaptation(config, base);
  new ParameterRules(config.parameters).check([...base.keys()]);
  return null;
}
