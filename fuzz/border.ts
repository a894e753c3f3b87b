import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import type { Arbitrary } from "fast-check";
import { RotorError } from "../src/errors.ts";

/** A place where values come in that Rotor didn't make: what may come, and what decides whether the answer is right. */
export interface Border<Input> {
  /** What decides whether an answer is right, independent of the code. */
  readonly oracle: string;
  readonly inputs: Arbitrary<Input>;
  /**
   * Puts an input to the code and its answer to the oracle. A RotorError that it throws is a refusal, which is an answer; an
   * AssertionError is a wrong answer, and anything else a fault.
   */
  readonly check: (input: Input) => void | Promise<void>;
  /** Inputs of the short run in the tests, where one takes long. Default 150. */
  readonly shortRuns?: number;
}

/** Lets the types of a border's inputs and check be inferred from each other. */
export const border = <Input>(definition: Border<Input>): Border<Input> => definition;

/** Fails where a right input is refused. */
export function accepted<T>(answer: () => T): T {
  try {
    return answer();
  } catch (error) {
    if (error instanceof RotorError) assert.fail(`a right input is refused: ${error.message}`);
    throw error;
  }
}

/** Fails where a wrong input is taken. */
export function refused(answer: () => unknown, why: string): void {
  answer();
  assert.fail(`a wrong input is taken: ${why}`);
}

export const bordersFolder = new URL("./borders/", import.meta.url);

/** The borders: a file each, named after it. */
export function borderNames(): string[] {
  return readdirSync(bordersFolder)
    .filter((file) => file.endsWith(".ts"))
    .map((file) => file.slice(0, -3))
    .sort();
}

export const borderModule = (name: string): string => new URL(`${name}.ts`, bordersFolder).href;

/** @param module - address of the file, whose default export is the border */
export async function loadBorder(module: string): Promise<Border<unknown>> {
  return ((await import(module)) as { default: Border<unknown> }).default;
}
