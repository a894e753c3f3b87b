import { ConfigError } from "../errors.ts";
import type { CoefficientChoice } from "../spectral/index.ts";

interface Described<T> {
  readonly default: T;
  /** Whose default it is, or where the option comes from. */
  readonly source: string;
}

/** A number in a range. */
export interface NumberOption extends Described<number> {
  readonly kind: "number";
  readonly min: number;
  readonly max: number;
  /** Whether the ends of the range are left out. */
  readonly openMin: boolean;
  readonly openMax: boolean;
  readonly integer: boolean;
}

/** Such a number, or null for off. */
export interface NullableOption extends Described<number | null> {
  readonly kind: "nullable";
  readonly number: NumberOption;
}

export interface FlagOption extends Described<boolean> {
  readonly kind: "flag";
}

export interface ChoiceOption<T extends string = string> extends Described<T> {
  readonly kind: "choice";
  readonly values: readonly T[];
}

/** A table of Newton–Schulz coefficients: a name, triples, or a table. */
export interface CoefficientsOption extends Described<CoefficientChoice> {
  readonly kind: "coefficients";
}

/** Options of another optimizer, for the parameters that this one leaves to it. */
export interface GroupOption<Table extends OptionTable = OptionTable> {
  readonly kind: "group";
  readonly table: Table;
}

/** Numbers of one range, at least one of them. */
export interface ListOption {
  readonly kind: "list";
  readonly each: NumberOption;
}

/** An option without a default: it has to be given. */
export interface RequiredOption<Of extends NumberOption | ListOption = NumberOption | ListOption> {
  readonly kind: "required";
  readonly of: Of;
}

/** An option whose default depends on the others, or isn't a number: the function that takes it says what it is. */
export interface ComputedOption<Of extends NumberOption | GroupOption = NumberOption | GroupOption> {
  readonly kind: "computed";
  readonly of: Of;
  /** The default in words. */
  readonly text: string;
  readonly source: string;
}

export type OptimizerOption =
  | NumberOption
  | NullableOption
  | FlagOption
  | ChoiceOption
  | CoefficientsOption
  | GroupOption
  | RequiredOption
  | ComputedOption;

/** The options of a method by name, each with its default and its range: the one place that says them. */
export interface OptionTable {
  readonly [name: string]: OptimizerOption;
}

type Range = Partial<Pick<NumberOption, "min" | "max" | "openMin" | "openMax" | "integer">>;

const number =
  ({ min = -Infinity, max = Infinity, openMin = false, openMax = false, integer = false }: Range) =>
  (value: number, source: string): NumberOption => ({
    kind: "number",
    default: value,
    source,
    min,
    max,
    openMin,
    openMax,
    integer,
  });

/** In [0, 1). */
export const fraction = number({ min: 0, max: 1, openMax: true });
/** In (0, 1). */
export const openFraction = number({ min: 0, max: 1, openMin: true, openMax: true });
/** In [0, 1]. */
export const share = number({ min: 0, max: 1 });
/** In (0, 1]. */
export const positiveShare = number({ min: 0, max: 1, openMin: true });
/** At least 0. */
export const nonNegative = number({ min: 0 });
/** Above 0. */
export const positive = number({ min: 0, openMin: true });
/** An integer from 0 on. */
export const countOrZero = number({ min: 0, integer: true });
/** An integer from 1 on. */
export const count = number({ min: 1, integer: true });

/** Integers from `least` on, at least one of them. */
export const integersFrom = (least: number): ListOption => ({
  kind: "list",
  each: number({ min: least, integer: true })(least, ""),
});

type MakeNumber = (value: number, source: string) => NumberOption;

export function required(option: MakeNumber): RequiredOption<NumberOption>;
export function required(option: ListOption): RequiredOption<ListOption>;
export function required(option: MakeNumber | ListOption): RequiredOption {
  return { kind: "required", of: typeof option === "function" ? option(Number.NaN, "") : option };
}

export function computed(option: MakeNumber, text: string, source: string): ComputedOption<NumberOption>;
export function computed<Table extends OptionTable>(
  option: GroupOption<Table>,
  text: string,
  source: string,
): ComputedOption<GroupOption<Table>>;
export function computed(option: MakeNumber | GroupOption, text: string, source: string): ComputedOption {
  return {
    kind: "computed",
    of: typeof option === "function" ? option(Number.NaN, "") : option,
    text,
    source,
  };
}

export function nullable(option: NumberOption, value: number | null, source: string): NullableOption {
  return { kind: "nullable", number: option, default: value, source };
}

export function flag(value: boolean, source: string): FlagOption {
  return { kind: "flag", default: value, source };
}

export function choice<T extends string>(values: readonly T[], value: T, source: string): ChoiceOption<T> {
  return { kind: "choice", values, default: value, source };
}

export function coefficients(value: CoefficientChoice, source: string): CoefficientsOption {
  return { kind: "coefficients", default: value, source };
}

/** The options of a table with other defaults. */
export function group<Table extends OptionTable>(
  table: Table,
  defaults: { readonly [Name in keyof Table]?: number },
  source: string,
): GroupOption<Table> {
  const changed = Object.entries(defaults).map(([name, value]) => [
    name,
    { ...table[name], default: value, source },
  ]);
  return { kind: "group", table: { ...table, ...Object.fromEntries(changed) } as Table };
}

type Given<Option> =
  Option extends GroupOption<infer Table>
    ? OptionsOf<Table>
    : Option extends RequiredOption<infer Of>
      ? Given<Of>
      : Option extends ComputedOption<infer Of>
        ? Given<Of>
        : Option extends ListOption
          ? readonly number[]
          : Option extends Described<infer T>
            ? T
            : never;

type RequiredNames<Table extends OptionTable> = {
  [Name in keyof Table]: Table[Name] extends RequiredOption ? Name : never;
}[keyof Table];

/** What may be given for the options of a table. */
export type OptionsOf<Table extends OptionTable> = {
  readonly [Name in Exclude<keyof Table, RequiredNames<Table>>]?: Given<Table[Name]>;
} & { readonly [Name in RequiredNames<Table>]: Given<Table[Name]> };

type Filled<Option> =
  Option extends GroupOption<infer Table>
    ? AllOptions<Table>
    : Option extends ComputedOption
      ? Given<Option> | undefined
      : Given<Option>;

/** The options of a table, none missing. */
export type AllOptions<Table extends OptionTable> = {
  readonly [Name in keyof Table]: Filled<Table[Name]>;
};

/**
 * Every option at its default, but for those that have none of their own.
 *
 * @example
 * ```ts
 * const { b1, b2, learningRate } = defaultsOf(optimizerMethods.adamw.options);
 * [b1, b2, learningRate]; // => [0.9, 0.999, 0.001]
 * ```
 */
export function defaultsOf<Table extends OptionTable>(table: Table): AllOptions<Table> {
  return Object.fromEntries(
    Object.entries(table).flatMap(([name, option]) => {
      if (option.kind === "required" || option.kind === "computed") return [];
      return [[name, option.kind === "group" ? defaultsOf(option.table) : option.default]];
    }),
  ) as AllOptions<Table>;
}

/**
 * What a number may be, in words.
 *
 * @example
 * ```ts
 * rangeOf(optimizerMethods.adamw.options.b1); // => "a number in [0, 1)"
 * ```
 */
export function rangeOf({ min, max, openMin, openMax, integer }: NumberOption): string {
  if (integer) return `an integer ≥ ${min}`;
  if (max === Infinity) return openMin ? "a positive number" : `a number ≥ ${min}`;
  return `a number in ${openMin ? "(" : "["}${min}, ${max}${openMax ? ")" : "]"}`;
}

function checkNumber(name: string, value: unknown, option: NumberOption): void {
  const { min, max, openMin, openMax, integer } = option;
  const fits =
    typeof value === "number" &&
    Number.isFinite(value) &&
    (openMin ? value > min : value >= min) &&
    (openMax ? value < max : value <= max) &&
    (!integer || Number.isInteger(value));
  if (!fits) throw new ConfigError(`${name} ${value}: expected ${rangeOf(option)}`);
}

function checkList(name: string, value: unknown, { each }: ListOption): void {
  if (!Array.isArray(value) || value.length === 0)
    throw new ConfigError(`${name} ${JSON.stringify(value)}: expected a list of numbers, at least one`);
  for (const one of value) checkNumber(name, one, each);
}

function checkOption(name: string, value: unknown, option: OptimizerOption): void {
  switch (option.kind) {
    case "number":
      // A schedule is a function; it checks itself.
      if (typeof value !== "function") checkNumber(name, value, option);
      return;
    case "nullable":
      if (value !== null) checkNumber(name, value, option.number);
      return;
    case "flag":
      if (typeof value !== "boolean") throw new ConfigError(`${name} ${value}: expected true or false`);
      return;
    case "choice":
      if (!option.values.includes(value as string))
        throw new ConfigError(`${name} "${value}": expected one of ${option.values.join(", ")}`);
      return;
    case "required":
      if (option.of.kind === "list") checkList(name, value, option.of);
      else checkNumber(name, value, option.of);
      return;
    case "computed":
      // An infinite default may be given as well.
      if (value === undefined || (option.text === "∞" && value === Number.POSITIVE_INFINITY)) return;
      if (option.of.kind === "number") checkNumber(name, value, option.of);
      else checkGroup(name, value, option.of);
      return;
  }
}

function checkGroup(name: string, value: unknown, { table }: GroupOption): void {
  for (const [key, own] of Object.entries(table))
    checkOption(`${name}.${key}`, (value as Readonly<Record<string, unknown>>)[key], own);
}

/** Options with the defaults of a table where nothing is given. */
export type WithDefaults<Options, Table extends OptionTable> = Omit<Options, keyof Table> & {
  readonly [Name in keyof Table]: Name extends keyof Options
    ? Table[Name] extends ComputedOption
      ? Options[Name]
      : Table[Name] extends GroupOption
        ? NonNullable<Options[Name]>
        : Exclude<Options[Name], undefined>
    : Filled<Table[Name]>;
};

/**
 * Fills in defaults and checks ranges; options that the table doesn't have pass, and those without a default of their own stay missing. With a `matrixDecay`, a `weightDecay` that isn't given is
 * 0: one kind of decay takes the other's place. The options of a group stay as they are given, over its defaults.
 *
 * @param what - the function's name, for its messages; by default they begin with the option
 * @throws ConfigError naming an option that is out of its range, and the range
 *
 * @example
 * ```ts
 * withDefaults(optimizerMethods.adamw.options, { b1: 0.8 }).b1; // => 0.8
 * withDefaults(optimizerMethods.adamw.options, { b1: 0.8 }).b2; // => 0.999
 * assert.throws(() => withDefaults(optimizerMethods.adamw.options, { b1: 2 }), ConfigError);
 * ```
 */
export function withDefaults<Options extends object, Table extends OptionTable>(
  table: Table,
  options: Options,
  what?: string,
): WithDefaults<Options, Table> {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const filled: Record<string, unknown> = { ...defaultsOf(table), ...given };
  if (given.matrixDecay !== undefined && given.weightDecay === undefined && "weightDecay" in table)
    filled.weightDecay = 0;
  for (const [name, option] of Object.entries(table)) {
    if (option.kind === "group")
      filled[name] = { ...defaultsOf(option.table), ...(given[name] as object | undefined) };
    else checkOption(what === undefined ? name : `${what} ${name}`, filled[name], option);
  }
  return filled as WithDefaults<Options, Table>;
}
