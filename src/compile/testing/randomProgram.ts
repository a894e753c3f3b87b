import { type DType, numpy as np } from "@jax-js/jax";
import { randomArray } from "./arrays.ts";

/** What is known of a value of a random program before it runs. */
export interface ValueType {
  readonly shape: readonly number[];
  readonly dtype: "float32" | "int32" | "bool";
  /** No element is larger in absolute value. */
  readonly bound: number;
  /**
   * All elements are whole multiples of 2^-grain, and were computed without rounding. Comparisons, maxima, sorts and other
   * functions that jump are only applied to such values, because elsewhere two libraries may round to different sides.
   */
  readonly grain: number;
}

/** An operation of a random program, from some of its values to new ones. */
interface Step {
  readonly text: string;
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  /** Consumes its operands. */
  readonly run: (operands: np.Array[]) => np.Array[];
}

/** Choices of an operation, read from a list of natural numbers; those that are missing are 0, so that shorter lists do less. */
export class Choices {
  readonly #numbers: readonly number[];
  #next = 0;

  constructor(numbers: readonly number[]) {
    this.#numbers = numbers;
  }

  /** A number in [0, n). */
  pick(n: number): number {
    return (this.#numbers[this.#next++] ?? 0) % n;
  }

  flag(): boolean {
    return this.pick(2) === 1;
  }

  of<T>(items: readonly T[]): T {
    return items[this.pick(items.length)]!;
  }

  /** A random order of 0 … n−1; the identity for zeros. */
  order(n: number): number[] {
    const rest = Array.from({ length: n }, (_, i) => i);
    return Array.from({ length: n }, () => rest.splice(this.pick(rest.length), 1)[0]!);
  }

  /** A subset of the items, in their order; empty for zeros. */
  subset<T>(items: readonly T[]): T[] {
    return items.filter(() => this.flag());
  }
}

/** Adds one operation to a program, or returns false if none of its values fits. */
export type Operation = (program: RandomProgram, choices: Choices) => boolean;

/** A program as fast-check generates and shrinks it: every list of numbers means some program. */
export interface ProgramTape {
  /** Shapes of the float inputs. */
  readonly inputs: readonly (readonly number[])[];
  /** The first number of an instruction chooses its operation. */
  readonly instructions: readonly (readonly number[])[];
  readonly seed: number;
}

export const maxElements = 400;
export const maxRank = 5;
/** Above this bound values are scaled down, so that rounding errors stay small beside 1. */
const maxBound = 32;
/** float32 holds whole numbers up to 2²⁴. */
const exactBits = 23;

export function sizeOfShape(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

export function isExact({ bound, grain }: ValueType): boolean {
  return bound * 2 ** grain < 2 ** exactBits;
}

/** A random program over arrays: a graph of operations with shared values. */
export class RandomProgram {
  readonly types: ValueType[] = [];
  readonly #steps: Step[] = [];
  readonly #numInputs: number;
  readonly #seed: number;

  constructor(tape: ProgramTape, operations: readonly Operation[]) {
    this.#numInputs = tape.inputs.length;
    this.#seed = tape.seed;
    // Inputs are multiples of 1/8 in [−2, 2]: exact, with ties and zeros among them.
    for (const shape of tape.inputs) this.types.push({ shape, dtype: "float32", bound: 2, grain: 3 });
    for (const [op = 0, ...numbers] of tape.instructions) {
      operations[op % operations.length]!(this, new Choices(numbers));
    }
  }

  /** Arguments for {@link evaluate}. `leading` puts further axes before (or after) those of each input. */
  inputs(extra: readonly number[] = []): np.Array[] {
    return this.types.slice(0, this.#numInputs).map(({ shape }, i) => {
      const eighths = randomArray(100 * this.#seed + i, [...extra, ...shape], { low: -16, high: 17 });
      return np.floor(eighths).mul(0.125);
    });
  }

  get numInputs(): number {
    return this.#numInputs;
  }

  /** A value that satisfies a condition, more often a new one, so that programs grow deep; null if there is none. */
  select(choices: Choices, condition: (type: ValueType) => boolean): number | null {
    const fitting = this.types.flatMap((type, i) => (condition(type) ? [i] : []));
    if (fitting.length === 0) return null;
    const age = Math.min(choices.pick(fitting.length), choices.pick(fitting.length));
    return fitting[fitting.length - 1 - age]!;
  }

  type(value: number): ValueType {
    return this.types[value]!;
  }

  /** Adds an operation with several results; values that could grow too large are scaled down. */
  emitAll(
    text: string,
    inputs: readonly number[],
    results: readonly ValueType[],
    run: (operands: np.Array[]) => np.Array[],
  ): number[] | null {
    if (results.some(({ shape }) => sizeOfShape(shape) > maxElements || shape.length > maxRank)) return null;
    const outputs = results.map((type) => this.types.push(type) - 1);
    this.#steps.push({ text, inputs, outputs, run });
    return outputs.map((output) => this.#tamed(output));
  }

  emit(
    text: string,
    inputs: readonly number[],
    result: ValueType,
    run: (...operands: np.Array[]) => np.Array,
  ): number | null {
    const outputs = this.emitAll(text, inputs, [result], (operands) => [run(...operands)]);
    return outputs === null ? null : outputs[0]!;
  }

  /** The value, or a multiple of it by a power of 2 that is not too large. */
  #tamed(value: number): number {
    const { shape, dtype, bound, grain } = this.type(value);
    if (dtype !== "float32" || bound <= maxBound) return value;
    const shift = Math.ceil(Math.log2(bound / maxBound)) + 2;
    const type: ValueType = { shape, dtype, bound: bound / 2 ** shift, grain: grain + shift };
    return this.emit(`· 2^-${shift}`, [value], type, (x) => x.mul(2 ** -shift))!;
  }

  /** Values that no operation reads. */
  get sinks(): number[] {
    const used = new Set(this.#steps.flatMap(({ inputs }) => inputs));
    return this.types.flatMap((_, i) => (used.has(i) ? [] : [i]));
  }

  /** Runs the program; consumes the arguments. Returns the sinks. */
  evaluate(args: readonly np.Array[]): np.Array[] {
    const values: np.Array[] = [...args];
    for (const { inputs, outputs, run } of this.#steps) {
      const results = run(inputs.map((i) => values[i]!.ref));
      outputs.forEach((output, k) => {
        const { dtype, shape } = results[k]!;
        const type = this.type(output);
        if (dtype !== type.dtype || shape.join() !== type.shape.join()) {
          throw new Error(`v${output} came out as ${dtype}[${shape}]\n${this}`);
        }
        values[output] = results[k]!;
      });
    }
    const sinks = new Set(this.sinks);
    return values.filter((value, i) => {
      if (sinks.has(i)) return true;
      value.dispose();
      return false;
    });
  }

  /** A number that depends smoothly on the float sinks, each element with a weight of its own; consumes the arguments. */
  weightedSum(args: readonly np.Array[]): np.Array {
    let total = np.array(0);
    this.evaluate(args).forEach((sink, i) => {
      if (sink.dtype !== ("float32" as DType)) {
        sink.dispose();
        return;
      }
      const weights = randomArray(7919 * this.#seed + i, sink.shape);
      total = total.add(sink.mul(weights).sum());
    });
    return total;
  }

  toString(): string {
    const name = (i: number) => `v${i}:${this.type(i).dtype}[${this.type(i).shape.join()}]`;
    const inputs = Array.from({ length: this.#numInputs }, (_, i) => name(i)).join(", ");
    const lines = this.#steps.map(
      ({ text, inputs: operands, outputs }) =>
        `  ${outputs.map(name).join(", ")} = ${text} (${operands.map((i) => `v${i}`).join(", ")})`,
    );
    return [`program of seed ${this.#seed} (${inputs})`, ...lines].join("\n");
  }
}
