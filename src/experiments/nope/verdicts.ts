import type { Verdict } from "../experiment.ts";
import { formatInterval, type Interval, interval } from "../statistics.ts";
import { settleWithSeeds } from "../toSettle.ts";
import { roundingBound } from "./permutationTrial.ts";
import { groupsPerLength } from "./positionMeasures.ts";
import type { InitialGroup } from "./results.ts";
import {
  difference,
  encodingNames,
  encodings,
  groupLoss,
  layerSlopes,
  type NopeResults,
  ordering,
  probes,
  trained,
} from "./results.ts";

type Decision = Verdict["verdict"];

/** `holds` if the interval lies above the bound, `fails` if below. One value has no interval and decides nothing. */
const above = ({ low, high, count }: Interval, bound = 0): Decision =>
  count < 2 ? "open" : low > bound ? "holds" : high < bound ? "fails" : "open";

const opposite = (decision: Decision): Decision =>
  decision === "holds" ? "fails" : decision === "fails" ? "holds" : "open";

const all = (decisions: readonly Decision[]): Decision =>
  decisions.includes("fails")
    ? "fails"
    : decisions.every((decision) => decision === "holds")
      ? "holds"
      : "open";

/** `holds` if the interval has the value; one that is wider than ±0.05 decides nothing. */
const contains = ({ mean, low, high, count }: Interval, value: number): Decision =>
  count < 2 || high - mean > 0.05 ? "open" : low <= value && value <= high ? "holds" : "fails";

/** `holds` if the whole interval lies within the distance of the value, `fails` if all of it is beyond. */
function within({ low, high, count }: Interval, value: number, distance: number): Decision {
  if (count < 2) return "open";
  if (low >= value - distance && high <= value + distance) return "holds";
  return low > value + distance || high < value - distance ? "fails" : "open";
}

const small = (value: number) => value.toExponential(1);

function permutationVerdicts({ permutations }: NopeResults): Verdict[] {
  const of = (mask: "bidirectional" | "causal", deep: boolean) =>
    permutations.filter(
      ({ settings }) =>
        settings.position === "none" && settings.mask === mask && settings.numLayers > 1 === deep,
    );
  const bidirectional = [...of("bidirectional", false), ...of("bidirectional", true)];
  const invariant = bidirectional.every(({ settings, result }) => result.largest <= roundingBound(settings));
  const smallest = Math.min(...of("causal", true).map(({ result }) => result.smallest));
  const single = Math.max(...of("causal", false).map(({ result }) => result.largest));
  const [deepest] = [...bidirectional].sort((a, b) => b.settings.numLayers - a.settings.numLayers);
  return [
    {
      claim: "Bidirectional attention without positions doesn't see the order of its tokens (Su-10347)",
      expected: `the last output changes, relative to its RMS, by no more than float64's rounding: 3·layers·L·2⁻⁵³, ${small(roundingBound(deepest!.settings))} for the deepest`,
      found: `at most ${small(Math.max(...bidirectional.map(({ result }) => result.largest)))}`,
      verdict: invariant ? "holds" : "fails",
    },
    {
      claim: "Causal attention without positions does see it (arXiv 2203.16634)",
      expected: "with two layers or more the last output changes by more than 1 % for every order",
      found: `at least ${(100 * smallest).toFixed(0)} %. With one layer by at most ${small(single)}: the last token sees a bag of tokens, and only the states below tell places apart`,
      verdict: smallest > 0.01 ? "holds" : "fails",
    },
  ];
}

function uniformVerdicts({ uniform }: NopeResults): Verdict[] {
  const slopeOf = (name: "slope" | "differenceSlope" | "detectabilitySlope") =>
    interval(uniform.map((result) => result[name]));
  const [slope, step, detectability] = [
    slopeOf("slope"),
    slopeOf("differenceSlope"),
    slopeOf("detectabilitySlope"),
  ];
  return [
    {
      claim:
        "Uniform causal attention over independent values: RMS(y_n) falls as n^(−1/2) (Su-10347, arXiv 2305.13571)",
      expected: "the interval of the slope has −1/2",
      found: formatInterval(slope, 4),
      verdict: contains(slope, -0.5),
    },
    {
      claim: "The sizes at neighbours differ by n^(−3/2)/2: resolution falls with length (Su-10347)",
      expected:
        "the interval of the slope of RMS(y_n) − RMS(y_{n+1}) has −3/2; that of d′, with which one state tells n from n + 1, has −1",
      found: `${formatInterval(step, 4)}; d′ ${formatInterval(detectability, 4)}`,
      verdict: all([contains(step, -1.5), contains(detectability, -1)]),
    },
  ];
}

const initialName = ({ tokens, qkNorm }: InitialGroup) =>
  `${tokens === "books" ? "text" : "independent tokens"}${qkNorm ? ", QK-norm" : ""}`;

function initialVerdicts({ initial }: NopeResults): Verdict[] {
  const plain = initial.find(({ tokens, qkNorm }) => tokens === "independent" && !qkNorm)!;
  const first = interval(layerSlopes(plain.results, 0));
  const heads = initial.map((group) => {
    const slopes = group.results.flatMap(({ slopes: layers }) => layers.flat());
    return { group, low: Math.min(...slopes), high: Math.max(...slopes) };
  });
  const text = initial.find(({ tokens, qkNorm }) => tokens === "books" && !qkNorm)!;
  const ofText = interval(layerSlopes(text.results, 0));
  const { collision, predictedSlope } = text.results[0]!;
  return [
    {
      claim: "A random transformer without positions has this slope in its first layer",
      expected: `on independent tokens, without QK-norm: within 0.02 of ${plain.results[0]!.predictedSlope.toFixed(3)}, which is −1/2 but for the equal tokens of a finite vocabulary`,
      found: formatInterval(first),
      verdict: within(first, plain.results[0]!.predictedSlope, 0.02),
    },
    {
      claim: "… and in every layer and head, on text as well",
      expected: "all slopes within 0.05 of −1/2",
      found: heads
        .map(({ group, low, high }) => `${initialName(group)}: ${low.toFixed(2)} to ${high.toFixed(2)}`)
        .join("; "),
      verdict: heads.every(({ low, high }) => low >= -0.55 && high <= -0.45) ? "holds" : "fails",
    },
    {
      claim:
        "On text the first layer's slope is that of a running mean whose tokens come again (ours: σ²·(1/n + (1 − 1/n)·c))",
      expected: `within 0.05 of ${predictedSlope.toFixed(3)}, for the measured probability c = ${collision.toFixed(3)} that two bytes are equal`,
      found: formatInterval(ofText),
      verdict: within(ofText, predictedSlope, 0.05),
    },
  ];
}

function probeVerdicts(results: NopeResults): Verdict[] {
  const nope = trained(results, "none");
  const [linear, quadratic] = (["linear", "quadratic"] as const).map((name) =>
    interval(probes(nope, -1, name)),
  ) as [Interval, Interval];
  const before = interval(probes(results.untrained.get("none")!, -1, "linear"));
  const embeddings = interval(probes(nope, 0, "linear"));
  const [near, far] = [ordering(nope, 0), ordering(nope, -1)];
  const fall = difference(near, far);
  return [
    {
      claim: "A trained decoder without positions has them in its states (arXiv 2203.16634)",
      expected: "held-out R² of a linear probe for n above 0 in the last block",
      found: `${formatInterval(linear)}; ${formatInterval(quadratic)} with squares; ${formatInterval(before)} before training; embeddings ${formatInterval(embeddings)}`,
      verdict: above(linear),
    },
    {
      claim: "Neighbours are harder to tell apart as n grows (Su-10347)",
      expected:
        "a probe puts n + 1 after n less often in the last octave of n than in the first; half is chance",
      found: `n = 1: ${formatInterval(interval(near))}, last octave ${formatInterval(interval(far))}`,
      verdict: above(fall),
      toSettle: settleWithSeeds([{ interval: fall }]),
    },
  ];
}

/** Mean loss between two and four times the length of the training minus that of its second half, by seed. */
export function riseBeyond(results: NopeResults, kind: (typeof encodingNames)[number]): number[] {
  const measures = trained(results, kind);
  const within = groupLoss(measures, groupsPerLength / 2, groupsPerLength);
  return groupLoss(measures, 2 * groupsPerLength, 4 * groupsPerLength).map((loss, i) => loss - within[i]!);
}

function lossVerdicts(results: NopeResults): Verdict[] {
  const losses = (kind: (typeof encodingNames)[number]) =>
    [...results.sweeps.get(kind)!.best.results.values()].map(
      ({ validationLoss }) => validationLoss ?? Number.MAX_VALUE,
    );
  const others = encodingNames.filter((kind) => kind !== "none");
  const gaps = others.map((kind) => [kind, difference(losses("none"), losses(kind))] as const);
  const rise = (kind: (typeof encodingNames)[number]) => riseBeyond(results, kind);
  const [alibi, t5, rope, sinusoidal, none] = (["alibi", "t5", "rope", "sinusoidal", "none"] as const).map(
    (kind) => interval(rise(kind)),
  ) as [Interval, Interval, Interval, Interval, Interval];
  const nopeBelowRope = difference(rise("rope"), rise("none"));
  return [
    {
      claim: "A causal decoder still wants positions: NoPE has more loss (Su-10347)",
      expected: "NoPE's validation loss minus each encoding's, same seed, is above 0",
      found: gaps.map(([kind, gap]) => `${encodings[kind]} ${formatInterval(gap)}`).join(", "),
      verdict: all(gaps.map(([, gap]) => above(gap))),
      toSettle: settleWithSeeds(gaps.map(([kind, gap]) => ({ name: encodings[kind], interval: gap }))),
    },
    {
      claim: "ALiBi and T5's bias go on beyond the length of the training (arXiv 2108.12409)",
      expected: "loss between 2 and 4 times that length at most 0.05 nats above that of its second half",
      found: `ALiBi ${formatInterval(alibi)}, T5 ${formatInterval(t5)}`,
      verdict: all([alibi, t5].map((value) => opposite(above(value, 0.05)))),
      toSettle: settleWithSeeds([
        { name: "ALiBi", interval: alibi, bound: 0.05 },
        { name: "T5", interval: t5, bound: 0.05 },
      ]),
    },
    {
      claim: "RoPE and sinusoidal positions don't (arXiv 2108.12409)",
      expected: "the same difference above 0.05 nats for both",
      found: `RoPE ${formatInterval(rope)}, sinusoidal ${formatInterval(sinusoidal)}`,
      verdict: all([rope, sinusoidal].map((value) => above(value, 0.05))),
    },
    {
      claim: "NoPE goes further beyond the length of the training than RoPE (arXiv 2305.19466)",
      expected: "RoPE's rise of the loss minus NoPE's, same seed, is above 0",
      found: `${formatInterval(nopeBelowRope)}; NoPE's own rise ${formatInterval(none)}, of a validation loss of ${interval(losses("none")).mean.toFixed(3)} where a table of pairs has ${results.bigramLoss.toFixed(3)}`,
      verdict: above(nopeBelowRope),
    },
  ];
}

/** A verdict for every claim of METHODS.md's section on NoPE. */
export function nopeVerdicts(results: NopeResults): Verdict[] {
  return [
    ...permutationVerdicts(results),
    ...uniformVerdicts(results),
    ...initialVerdicts(results),
    ...probeVerdicts(results),
    ...lossVerdicts(results),
  ];
}
