import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { planTrials } from "../../src/sweeps/planTrials.ts";
import { loadSweep } from "../../src/sweeps/sweepFile.ts";
import { border } from "../border.ts";

const folder = mkdtempSync(path.join(tmpdir(), "rotor-fuzz-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const file = path.join(folder, "sweep.yaml");

type Parameter =
  | readonly unknown[]
  | { readonly uniform: readonly number[]; readonly integer?: boolean }
  | { readonly logUniform: readonly number[]; readonly integer?: boolean };

interface Input {
  readonly parameters: readonly (readonly [name: string, parameter: Parameter])[];
  readonly seeds: readonly number[];
  readonly samples: number;
  readonly seed: number;
  /** A key more in the file, or in its `config`. */
  readonly more: readonly [section: "" | "config" | "derived", name: string] | null;
}

/** Values that each path of the preset takes. */
const rightValues: Readonly<Record<string, fc.Arbitrary<number>>> = {
  "optimizer.learningRate": fc.double({ min: 1e-6, max: 1, noNaN: true }),
  "model.initStd": fc.double({ min: 1e-3, max: 1, noNaN: true }),
  "model.numLayers": fc.integer({ min: 1, max: 9 }),
  "training.batchSize": fc.integer({ min: 1, max: 64 }),
  "training.steps": fc.integer({ min: 10, max: 99 }),
};
const ranges: Readonly<Record<string, Parameter>> = {
  "optimizer.learningRate": { logUniform: [1e-4, 1] },
  "model.initStd": { uniform: [0.01, 0.05] },
  "model.numLayers": { uniform: [1, 4], integer: true },
  "training.batchSize": { logUniform: [1, 64], integer: true },
};
/** Names that every object has, or that no configuration has. */
const wrongNames = [
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "optimizer.__proto__.learningRate",
  "model.constructor",
  "training.valueOf",
  "training.unknown",
  "",
  ".",
];
const largestSeed = 2 ** 32 - 1;

const rightParameter = fc
  .constantFrom(...Object.keys(rightValues))
  .chain((name) =>
    fc.tuple(
      fc.constant(name),
      fc.oneof(
        fc.uniqueArray(rightValues[name]!, { minLength: 1, maxLength: 3 }),
        ...(ranges[name] === undefined ? [] : [fc.constant(ranges[name])]),
      ),
    ),
  );
const wrongParameter = fc.tuple(
  fc.oneof(fc.constantFrom(...wrongNames), fc.constantFrom(...Object.keys(rightValues))),
  fc.oneof(
    fc.array(fc.jsonValue({ maxDepth: 1 }), { maxLength: 2 }),
    fc.constantFrom<Parameter>({ uniform: [2, 1] }, { logUniform: [0, 1] }, { uniform: [1] }),
  ),
);

/** JSON is YAML; numbers that JSON lacks are written as YAML has them. */
function textOf({ parameters, seeds, samples, seed, more }: Input): string {
  const mapping = (entries: readonly (readonly [string, unknown])[]) =>
    `{${entries.map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`).join(", ")}}`;
  const lines = [
    "base: tiny",
    `parameters: ${mapping(parameters)}`,
    `seeds: [${seeds.map((value) => (Number.isNaN(value) ? ".nan" : Number.isFinite(value) ? value : ".inf")).join(", ")}]`,
    `samples: ${samples}`,
    `seed: ${seed}`,
  ];
  if (more !== null && more[0] === "") lines.push(`${JSON.stringify(more[1])}: {}`);
  if (more !== null && more[0] !== "")
    lines.push(`${more[0]}: ${mapping([[more[1], more[0] === "config" ? 1 : { from: "training.steps" }]])}`);
  return `${lines.join("\n")}\n`;
}

const valueAt = (tree: unknown, name: string): unknown =>
  name
    .split(".")
    .reduce(
      (place: unknown, key) =>
        typeof place === "object" && place !== null && Object.hasOwn(place, key)
          ? (place as Record<string, unknown>)[key]
          : undefined,
      tree,
    );

const isSeed = (value: number) => Number.isInteger(value) && value >= 0 && value <= largestSeed;

export default border<Input>({
  oracle: "the product of the lists that were written, ranges, and own keys alone",
  inputs: fc.record<Input>(
    {
      parameters: fc.oneof(
        {
          weight: 3,
          arbitrary: fc.uniqueArray(rightParameter, {
            selector: ([name]) => name,
            minLength: 1,
            maxLength: 3,
          }),
        },
        {
          weight: 1,
          arbitrary: fc.uniqueArray(fc.oneof(rightParameter, wrongParameter), {
            selector: ([name]) => name,
            maxLength: 3,
          }),
        },
      ),
      seeds: fc.oneof(
        {
          weight: 4,
          arbitrary: fc.uniqueArray(fc.integer({ min: 0, max: largestSeed }), { minLength: 1, maxLength: 3 }),
        },
        {
          weight: 1,
          arbitrary: fc.array(
            fc.constantFrom(-1, 0.5, largestSeed + 1, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY, 3),
            { maxLength: 2 },
          ),
        },
      ),
      samples: fc.integer({ min: 1, max: 5 }),
      seed: fc.oneof(
        { weight: 9, arbitrary: fc.integer({ min: 0, max: largestSeed }) },
        { weight: 1, arbitrary: fc.constantFrom(-1, largestSeed + 1) },
      ),
      more: fc.oneof(
        { weight: 4, arbitrary: fc.constant(null) },
        {
          weight: 1,
          arbitrary: fc.tuple(
            fc.constantFrom("" as const, "config" as const, "derived" as const),
            fc.constantFrom(...wrongNames),
          ),
        },
      ),
    },
    { noNullPrototype: true },
  ),
  check: async (input) => {
    const { parameters, seeds, samples, seed, more } = input;
    const isRight =
      more === null &&
      parameters.length > 0 &&
      parameters.every(([name]) => Object.hasOwn(rightValues, name)) &&
      seeds.length > 0 &&
      seeds.every(isSeed) &&
      isSeed(seed);
    writeFileSync(file, textOf(input));
    const { definition, base } = await loadSweep(file);
    const trials = planTrials(definition, base);
    assert.ok(isRight, `a wrong sweep is taken: ${textOf(input)}`);

    const isRange = (parameter: Parameter) => !Array.isArray(parameter);
    const points = parameters.some(([, parameter]) => isRange(parameter)) ? samples : 1;
    // The last list changes first.
    let grid: Record<string, unknown>[] = [{}];
    for (const [name, parameter] of parameters)
      if (!isRange(parameter))
        grid = grid.flatMap((known) =>
          (parameter as readonly unknown[]).map((value) => ({ ...known, [name]: value })),
        );
    assert.equal(trials.length, grid.length * points * seeds.length);
    trials.forEach((trial, i) => {
      assert.equal(trial.seed, seeds[i % seeds.length]);
      assert.equal(trial.config.training.seed, trial.seed);
      assert.deepEqual(
        Object.keys(trial.values),
        parameters.map(([name]) => name),
      );
      const own = grid[Math.floor(i / (points * seeds.length))]!;
      for (const [name, parameter] of parameters) {
        const value = trial.values[name];
        assert.equal(valueAt(trial.config, name), value);
        if (!isRange(parameter)) {
          assert.equal(value, own[name]);
          continue;
        }
        const range =
          "uniform" in parameter ? parameter.uniform : "logUniform" in parameter && parameter.logUniform;
        const [low, high] = range as [number, number];
        assert.ok(typeof value === "number" && value >= low && value <= high, `${name} ${value}`);
        if ("integer" in parameter) assert.ok(Number.isInteger(value));
      }
    });
  },
});
