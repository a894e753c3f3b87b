import type { SampledError } from "../../spectral/index.ts";
import type { Verdict } from "../experiment.ts";
import { distances, number } from "./results.ts";
import { knownTables, type MomentumSpectra } from "./searches.ts";
import { nameOf, type Row } from "./trials.ts";

/** `"all 12"`, or which ones don't. */
function count(rows: readonly Row[], holds: (row: Row) => boolean): { text: string; all: boolean } {
  const not = rows.filter((row) => !holds(row));
  return {
    text:
      not.length === 0
        ? `all ${rows.length} rows`
        : `${rows.length - not.length} of ${rows.length} rows; not ${not.map(({ published }) => nameOf(published)).join("; ")}`,
    all: not.length === 0,
  };
}

/** The row where a ratio is smallest. */
function smallest(rows: readonly Row[], ratio: (row: Row) => number): string {
  const worst = rows.reduce((a, b) => (ratio(b) < ratio(a) ? b : a));
  return `${ratio(worst).toPrecision(3)}× (${nameOf(worst.published)})`;
}

const decide = (all: boolean): Verdict["verdict"] => (all ? "holds" : "fails");

export function verdictsOf(rows: readonly Row[], comparable: boolean): Verdict[] {
  const largest = (row: Row) => Math.max(...Object.values(distances(row)));
  const reproduced = count(rows, (row) => largest(row) <= 1);
  // Both are means over the same values; equal triples give equal means but for the last digit.
  const neverWorse = count(
    rows,
    ({ result }) => result.constant.searched.mean <= result.published * (1 + 1e-12),
  );
  const gain = ({ result }: Row) => result.constant.searched.mean / result.schedule.searched.mean;
  const beatsConstant = count(rows, (row) => gain(row) > 1);
  const polar = ({ result }: Row) => result.tables["Polar Express"]!.searched.mean;
  const polarGain = (row: Row) => polar(row) / row.result.schedule.searched.mean;
  const beatsPolar = count(rows, (row) => polarGain(row) > 1);
  const boundedGain = ({ result }: Row) =>
    Math.min(...Object.values(result.tables).map(({ fresh }) => fresh.mean)) / result.bounded.fresh.mean;
  const boundedBeats = count(rows, (row) => boundedGain(row) > 1);
  const isBounded = count(rows, ({ result }) => result.bounded.boundedUpTo >= 1);
  const boundedBeatsOne = count(rows, ({ result }) => result.bounded.fresh.mean < result.constant.fresh.mean);
  const carries = count(rows, ({ result }) => result.schedule.fresh.mean < result.constant.fresh.mean);
  const free = rows.filter(({ result }) => result.free.searched.mean < 0.99 * result.constant.searched.mean);
  return [
    {
      claim: "The twelve published rows (Su-10592)",
      expected: "mse and mse_o inside the 99.9 % prediction interval for the mean over one more matrix",
      found: comparable
        ? `${reproduced.text}; the farthest lies at ${Math.max(...rows.map(largest)).toFixed(2)} of its interval`
        : "smaller matrices were drawn: not comparable",
      verdict: comparable ? decide(reproduced.all) : "open",
    },
    {
      claim: "The search is never worse than the published triple on the same singular values",
      expected: "mse ≤ that of the published triple",
      found: neverWorse.text,
      verdict: decide(neverWorse.all),
    },
    {
      claim: "A triple per step beats one triple at the same number of products",
      expected: "smaller mse on the same singular values in every row",
      found: `${beatsConstant.text}; the least gain is ${smallest(rows, gain)}`,
      verdict: decide(beatsConstant.all),
    },
    {
      claim: "A triple per step beats Polar Express on these spectra",
      expected:
        "smaller mse on the same singular values in every row, at as many steps, with its safety factor",
      found: `${beatsPolar.text}; the least gain is ${smallest(rows, polarGain)}`,
      verdict: decide(beatsPolar.all),
    },
    {
      claim: "What it gains carries over to other matrices of the same size",
      expected: "smaller mse than one triple on fresh matrices in every row",
      found: `${carries.text}${carries.all ? "" : ": a fresh matrix has a singular value above all those of the search"}`,
      verdict: decide(carries.all),
    },
    {
      claim: "A triple per step that keeps every singular value up to 1 below 2 gains as well",
      expected:
        "on fresh matrices smaller mse than Polar Express, five triples, Keller Jordan and rotor-T in every row",
      found: `${boundedBeats.text}; bounded: ${isBounded.text}; the least gain is ${smallest(rows, boundedGain)}. Than the found single triple, which need not be bounded: ${boundedBeatsOne.text}`,
      verdict: decide(boundedBeats.all && isBounded.all),
    },
    {
      claim: "One triple needs no other fixed points than x₁ and x₂ (the form of Su-10592)",
      expected: "a triple with any roots is no better",
      found:
        free.length === 0
          ? "equal within 1 % in all rows"
          : `better by more than 1 % in ${free.length} rows, most in ${smallest(free, ({ result }) => result.free.searched.mean / result.constant.searched.mean)} of the error: where x₁ = x₂, the best roots are complex`,
      verdict: decide(free.length === 0),
    },
  ];
}

export function momentumVerdicts(
  spectra: MomentumSpectra,
  errors: Readonly<Record<string, readonly SampledError[]>>,
  own: string,
  published: string,
): Verdict[] {
  const shapes = Object.keys(spectra).map((shape) => shape.replace("x", " × "));
  const lines = (name: string) =>
    shapes.map((shape, i) => `${shape}: ${number(errors[name]![i]!.mean)}`).join(", ");
  const known = Object.keys(knownTables);
  const better = shapes.map((_, i) => known.every((name) => errors[own]![i]!.mean < errors[name]![i]!.mean));
  const losses = shapes.flatMap((shape, i) =>
    known
      .filter((name) => errors[name]![i]!.mean <= errors[own]![i]!.mean)
      .map((name) => `${name} on ${shape} (${number(errors[name]![i]!.mean)})`),
  );
  const suits = shapes.every((_, i) => errors[published]![i]!.mean < errors["Keller Jordan"]![i]!.mean);
  return [
    {
      claim: "A triple that was found for Gaussian matrices suits the momentum of training",
      expected: "smaller mse than Keller Jordan's on every shape",
      found: `${lines(published)}; Keller Jordan ${lines("Keller Jordan")}`,
      verdict: decide(suits),
    },
    {
      claim: `${own} suits the momentum of training better than the other tables`,
      expected: "the smallest mse on every shape",
      found: `${lines(own)}${losses.length === 0 ? "; no other is smaller" : `; smaller: ${losses.join(", ")}`}`,
      verdict: decide(better.every(Boolean)),
    },
  ];
}
