import { median } from "simple-statistics";
import type { Verdict } from "../experiment.ts";
import { formatInterval, type Interval, interval } from "../statistics.ts";
import { settleWithSeeds } from "../toSettle.ts";
import { bestOf, differences, losses, type Measures, matched, measuresAt, percent } from "./results.ts";
import type { DecayPoint, Results } from "./trials.ts";

/** `holds` if the interval lies above 0, `fails` if below. One value has no interval and decides nothing. */
const above = ({ low, high, count }: Interval): Verdict["verdict"] =>
  count < 2 ? "open" : low > 0 ? "holds" : high < 0 ? "fails" : "open";

export function matchedVerdicts(results: Results): Verdict[] {
  const [spectral, frobenius] = [matched(results, "spectral"), matched(results, "Frobenius")];
  const none = results.none.results.map((run) => measuresAt(run, -1));
  const claims = [
    "Spectral decay lowers σ₁ and spares the other singular values (Su-10648)",
    "Spectral decay raises the stable rank, Frobenius decay doesn't",
    "At the same σ₁, spectral decay costs no more loss than Frobenius decay",
  ] as const;
  const expected = [
    "at half the σ₁ of no decay, √(‖W‖_F² − σ₁²) is above that of Frobenius decay",
    "at half the σ₁ of no decay, the stable rank is above that of Frobenius decay and of no decay",
    "at half the σ₁ of no decay, Frobenius' validation loss minus spectral's is above 0",
  ] as const;
  if (spectral === null || frobenius === null) {
    return claims.map((claim, i) => ({
      claim,
      expected: expected[i]!,
      found: "the strengths of the grid don't halve σ₁",
      verdict: "open",
    }));
  }
  const by = (runs: readonly Measures[], name: keyof Measures) => runs.map((run) => run[name]);
  const share = (runs: readonly Measures[]) =>
    formatInterval(interval(runs.map(({ rest }, i) => rest / none[i]!.rest)), 2);
  const rest = differences(by(spectral, "rest"), by(frobenius, "rest"));
  const rank = [frobenius, none].map((other) =>
    differences(by(spectral, "stableRank"), by(other, "stableRank")),
  );
  const loss = differences(by(frobenius, "loss"), by(spectral, "loss"));
  const found: [string, Verdict["verdict"]][] = [
    [`${share(spectral)} of no decay's; with Frobenius decay ${share(frobenius)}`, above(rest)],
    [
      `spectral − Frobenius ${formatInterval(rank[0]!)}, spectral − none ${formatInterval(rank[1]!)} of the full rank`,
      rank.every((value) => above(value) === "holds")
        ? "holds"
        : rank.some((value) => above(value) === "fails")
          ? "fails"
          : "open",
    ],
    [`Frobenius − spectral ${formatInterval(loss)} nats`, above(loss)],
  ];
  return found.map(([text, verdict], i) => ({
    claim: claims[i]!,
    expected: expected[i]!,
    found: text,
    verdict,
    toSettle: settleWithSeeds([[rest], rank, [loss]][i]!.map((interval) => ({ interval }))),
  }));
}

export function bestVerdict({ none, kinds }: Results): Verdict {
  const spectral = bestOf(kinds.spectral);
  const [toFrobenius, toNone] = [bestOf(kinds.Frobenius), none].map((other) =>
    differences(losses(other), losses(spectral)),
  );
  return {
    claim: "At its best strength, spectral decay ends with less loss than Frobenius decay at its best",
    expected: "the difference of the validation losses is above 0",
    found: `Frobenius − spectral ${formatInterval(toFrobenius!)}, none − spectral ${formatInterval(toNone!)} nats`,
    verdict: above(toFrobenius!),
  };
}

export function estimateVerdict({ kinds, estimates }: Results): Verdict {
  const { warm, ones } = estimates.get(1)!;
  const [a, b] = [median([...warm]), median([...ones])];
  const pairs = kinds["spectral, ones"].map((point) => {
    const same = kinds.spectral.find(({ strength }) => strength === point.strength)!;
    const norms = ({ results }: DecayPoint) => results.map((run) => measuresAt(run, -1).spectralNorm);
    return `λ = ${point.strength}: loss ${formatInterval(differences(losses(point), losses(same)), 4)} nats, σ₁ at the end ${formatInterval(differences(norms(point), norms(same)), 3)}`;
  });
  return {
    claim: "One power step from the last vectors finds σ₁ as well as 10 steps from all ones",
    expected: "the median error of σ₁ isn't larger",
    found: `median error ${percent(a)} against ${percent(b)}. What it does to the training, all ones minus warm: ${pairs.join("; ")}`,
    verdict: a <= b ? "holds" : "fails",
  };
}
