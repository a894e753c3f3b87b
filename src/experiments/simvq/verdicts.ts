import type { Verdict } from "../experiment.ts";
import type { Interval } from "../statistics.ts";
import { settleWithSeeds } from "../toSettle.ts";
import type { MethodName } from "./methods.ts";
import { logLossRatio, type Quantity, type SimVqResults, stepsToReachVq, summary } from "./results.ts";

type Decision = Verdict["verdict"];

const sizeText = (size: number) => size.toLocaleString("en");
const percent = (share: number, digits = 1) => `${(100 * share).toFixed(digits)} %`;
const psnr = (results: SimVqResults, method: MethodName, size: number) =>
  `${summary(results, method, size, "psnr").mean.toFixed(1)} dB`;

/** `holds` if every part holds, `fails` if one fails. */
const all = (decisions: readonly Decision[]): Decision =>
  decisions.includes("fails") ? "fails" : decisions.includes("open") ? "open" : "holds";

/** `holds` if the interval lies below the bound, `fails` if above; one value has no interval and decides nothing. */
const below = ({ low, high, count }: Interval, bound: number): Decision =>
  count < 2 ? "open" : high < bound ? "holds" : low >= bound ? "fails" : "open";

const above = ({ low, high, count }: Interval, bound: number): Decision =>
  count < 2 ? "open" : low > bound ? "holds" : high < bound ? "fails" : "open";

/** A change of the mean squared error, from its logarithm. */
const change = ({ mean, high, count }: Interval) => {
  const text = `${(100 * Math.expm1(mean)).toFixed(0)} %`;
  return count < 2 ? text : `${text} (± ${(100 * (high - mean)).toFixed(0)})`;
};

const list = (sizes: readonly number[], text: (size: number) => string) =>
  sizes.map((size) => `${text(size)} at ${sizeText(size)}`).join(", ");

/** Below this share of the codes a codebook is called collapsed, above the other nearly used up. */
const [collapsed, nearlyAll] = [0.5, 0.95];

function usageVerdicts(results: SimVqResults): Verdict[] {
  const { sizes } = results;
  const usage = (method: MethodName) => (size: number) => summary(results, method, size, "usage");
  const shown = (method: MethodName) => list(sizes, (size) => percent(usage(method)(size).mean));
  const factor = list(
    sizes,
    (size) => `${(usage("SimVQ (W only)")(size).mean / usage("VQ (STE)")(size).mean).toFixed(0)} times VQ's`,
  );
  return [
    {
      claim: "A plain codebook collapses (Su-10519; SimVQ)",
      expected: `VQ (STE) uses less than ${percent(collapsed, 0)} of its codes at every size, and a smaller share the more there are`,
      found: shown("VQ (STE)"),
      verdict: all([
        ...sizes.map((size) => below(usage("VQ (STE)")(size), collapsed)),
        ...sizes.slice(1).map((size, i) => below(usage("VQ (STE)")(size), usage("VQ (STE)")(sizes[i]!).mean)),
      ]),
    },
    {
      claim: "SimVQ uses nearly the whole codebook (Su-10519; SimVQ)",
      expected: `SimVQ (W only) uses at least ${percent(nearlyAll, 0)} of its codes at every size`,
      found: `${shown("SimVQ (W only)")} (${factor}); of the codes of the last 100 batches ${list(sizes, (size) => percent(summary(results, "SimVQ (W only)", size, "trainUsage").mean))}`,
      verdict: all(sizes.map((size) => above(usage("SimVQ (W only)")(size), nearlyAll))),
    },
    {
      claim: "SimVQ uses many more codes than a plain codebook",
      expected:
        "more than twice VQ (STE)'s usage at every size, also beside a plain codebook with SimVQ's start",
      found: `${factor}; with SimVQ's start a plain codebook uses ${list(
        sizes.filter((size) => results.triedAt("VQ (STE), SimVQ's start", size)),
        (size) => percent(usage("VQ (STE), SimVQ's start")(size).mean),
      )}`,
      verdict: all(
        sizes.flatMap((size) =>
          (["VQ (STE)", "VQ (STE), SimVQ's start"] as const)
            .filter((method) => results.triedAt(method, size))
            .map((method) => above(usage("SimVQ (W only)")(size), 2 * usage(method)(size).mean)),
        ),
      ),
      toSettle: settleWithSeeds(
        sizes.flatMap((size) =>
          (["VQ (STE)", "VQ (STE), SimVQ's start"] as const)
            .filter((method) => results.triedAt(method, size))
            .map((method) => ({
              name: `${method}, ${sizeText(size)}`,
              interval: usage("SimVQ (W only)")(size),
              bound: 2 * usage(method)(size).mean,
            })),
        ),
      ),
    },
  ];
}

function sizeVerdicts(results: SimVqResults): Verdict[] {
  const steps = results.sizes.slice(1).map((size, i) => [results.sizes[i]!, size] as const);
  const gains = (method: MethodName) =>
    steps.map(([from, to]) => ({ to, ratio: logLossRatio(results, [method, to], [method, from]) }));
  const shown = (method: MethodName) =>
    gains(method)
      .map(({ to, ratio }) => `${change(ratio)} up to ${sizeText(to)}`)
      .join(", ");
  return [
    {
      claim: "SimVQ keeps improving with the size of the codebook (Su-10519; SimVQ)",
      expected: "a smaller reconstruction error at each larger size",
      found: `error ${shown("SimVQ (W only)")}; ${list(results.sizes, (size) => psnr(results, "SimVQ (W only)", size))}`,
      verdict: all(gains("SimVQ (W only)").map(({ ratio }) => below(ratio, 0))),
    },
    {
      claim: "A plain codebook gains nothing from more codes (Su-10519; SimVQ)",
      expected: "VQ (STE)'s error falls by less than 5 % with each step in size",
      found: `error ${shown("VQ (STE)")}; ${list(results.sizes, (size) => psnr(results, "VQ (STE)", size))}`,
      verdict: all(gains("VQ (STE)").map(({ ratio }) => above(ratio, Math.log(0.95)))),
      toSettle: settleWithSeeds(
        gains("VQ (STE)").map(({ to, ratio }) => ({
          name: sizeText(to),
          interval: ratio,
          bound: Math.log(0.95),
        })),
      ),
    },
  ];
}

function comparisonVerdicts(results: SimVqResults): Verdict[] {
  const { sizes } = results;
  const against = (a: MethodName, b: MethodName) => (size: number) =>
    logLossRatio(results, [a, size], [b, size]);
  const errors = (a: MethodName, b: MethodName) => list(sizes, (size) => change(against(a, b)(size)));
  const usage = (method: MethodName, quantity: Quantity = "usage") =>
    list(sizes, (size) => percent(summary(results, method, size, quantity).mean));
  const speed = (size: number) => stepsToReachVq(results, "SimVQ (W only)", size);
  const remedies: readonly MethodName[] = ["VQ (EMA)", "VQ + restart", "rotation trick"];
  return [
    {
      claim: "SimVQ converges faster (Su-10519)",
      expected: "SimVQ (W only) reaches VQ (STE)'s final held-out error in fewer steps, at every size",
      found: `in ${list(sizes, (size) => percent(speed(size).mean, 0))} of the steps`,
      verdict: all(sizes.map((size) => below(speed(size), 1))),
    },
    {
      claim: "The diagonal form lies between VQ and SimVQ (Su-10519)",
      expected: "its error is below VQ (STE)'s and above SimVQ (W only)'s at every size",
      found: `against VQ (STE) ${errors("SimVQ, diagonal", "VQ (STE)")}; against SimVQ (W only) ${errors("SimVQ, diagonal", "SimVQ (W only)")}; usage ${usage("SimVQ, diagonal")}`,
      verdict: all(
        sizes.flatMap((size) => [
          below(against("SimVQ, diagonal", "VQ (STE)")(size), 0),
          above(against("SimVQ, diagonal", "SimVQ (W only)")(size), 0),
        ]),
      ),
      toSettle: settleWithSeeds(
        sizes.flatMap((size) =>
          (["VQ (STE)", "SimVQ (W only)"] as const).map((other) => ({
            name: `against ${other}, ${sizeText(size)}`,
            interval: against("SimVQ, diagonal", other)(size),
          })),
        ),
      ),
    },
    {
      claim: "The table may stay frozen: training W alone is enough (Su-10519; SimVQ)",
      expected: "training E as well lowers the error by less than 5 % at every size",
      found: `${errors("SimVQ (both)", "SimVQ (W only)")}; usage with both ${usage("SimVQ (both)")}`,
      verdict: all(
        sizes.map((size) => above(against("SimVQ (both)", "SimVQ (W only)")(size), Math.log(0.95))),
      ),
      toSettle: settleWithSeeds(
        sizes.map((size) => ({
          name: sizeText(size),
          interval: against("SimVQ (both)", "SimVQ (W only)")(size),
          bound: Math.log(0.95),
        })),
      ),
    },
    {
      claim: "SimVQ does better than other remedies for a plain codebook (SimVQ)",
      expected: "a smaller error than with moving averages, restarts or the rotation trick, at every size",
      found: remedies.map((method) => `than ${method} ${errors("SimVQ (W only)", method)}`).join("; "),
      verdict: all(
        sizes.flatMap((size) => remedies.map((method) => below(against("SimVQ (W only)", method)(size), 0))),
      ),
    },
    {
      claim:
        "The rotation trick uses more codes than straight-through, with a smaller error (arXiv 2410.06424)",
      expected: "usage above VQ (STE)'s and error below, at every size",
      found: `usage ${usage("rotation trick")}; error ${errors("rotation trick", "VQ (STE)")}`,
      verdict: all(
        sizes.flatMap((size) => [
          above(
            summary(results, "rotation trick", size, "usage"),
            summary(results, "VQ (STE)", size, "usage").mean,
          ),
          below(against("rotation trick", "VQ (STE)")(size), 0),
        ]),
      ),
      toSettle: settleWithSeeds(
        sizes.flatMap((size) => [
          {
            name: `usage, ${sizeText(size)}`,
            interval: summary(results, "rotation trick", size, "usage"),
            bound: summary(results, "VQ (STE)", size, "usage").mean,
          },
          { name: `error, ${sizeText(size)}`, interval: against("rotation trick", "VQ (STE)")(size) },
        ]),
      ),
    },
    {
      claim: "FSQ uses its codes without learning any (arXiv 2309.15505)",
      expected: `at least ${percent(nearlyAll, 0)} of the codes at every size`,
      found: `${usage("FSQ")}; SimVQ's error against FSQ's ${errors("SimVQ (W only)", "FSQ")}`,
      verdict: all(sizes.map((size) => above(summary(results, "FSQ", size, "usage"), nearlyAll))),
    },
  ];
}

export function simVqVerdicts(results: SimVqResults): Verdict[] {
  return [...usageVerdicts(results), ...sizeVerdicts(results), ...comparisonVerdicts(results)];
}
