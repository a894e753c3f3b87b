import type { ConfigKeys, Fields } from "../configKeys.ts";

/** An optimizer of `torch.optim` whose state comes in and goes out: one row of the table, for both directions. */
export interface TorchOptimizer<Options extends object = object> {
  /** Its class. */
  readonly name: string;
  /** Its group of parameters in an optimizer here, and the optimizer that it is alone. */
  readonly group: "adamw" | "muon";
  /** Names of what it keeps of a parameter, and of the part of a state here that holds the same. */
  readonly state: Readonly<Record<string, string>>;
  /** Whether it counts the steps of each parameter, as `step`. */
  readonly hasStep: boolean;
  /** What its numbers are multiplied by to be those of a state here. */
  factor(options: Options): number;
  /** Options here but for learning rate and decay, of a group of parameters. @throws ExchangeError for what has no counterpart */
  read(keys: ConfigKeys): Options;
  /** The same options as a group of parameters has them. @throws ExchangeError for what `torch.optim` hasn't */
  write(options: Options): Fields;
}

/** A row, with the types of its options. */
export const torchOptimizer = <Options extends object>(row: TorchOptimizer<Options>) => row;

/** A number from 0, or whatever a message says it must be. */
export function numberFrom(
  keys: ConfigKeys,
  key: string,
  isRight: (value: number) => boolean,
  expected: string,
): number {
  const value = keys.value(key);
  return typeof value === "number" && isRight(value) ? value : keys.fail(key, expected);
}
