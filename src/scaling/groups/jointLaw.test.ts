import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DataError } from "../../errors.ts";
import { normalSampler } from "../../numbers/index.ts";
import { type JointGroup, jointLaw } from "./jointLaw.ts";

const us = [3, 3.7, 4.4, 5.1, 5.8, 6.5, 7.2];
const budgets = [-1.5, -0.75, 0, 0.75, 1.5];
/** Best batch size of a budget, as logarithms. */
const bestOf = (budget: number) => 5 + 0.5 * budget;

/** Groups of several budgets whose optima follow a curve, with noise. */
function groupsOf(curve: (u: number, budget: number, group: number) => number, best = true): JointGroup[] {
  const draw = normalSampler(7);
  return budgets.map((budget, i) => ({
    covariates: [budget],
    category: "[]",
    bestBatch: best ? { x: bestOf(budget), error: 0.1 } : null,
    optima: us.map((u) => ({ u, y: curve(u, budget, i) + 0.02 * draw(), error: 0.03 })),
  }));
}

/** Rises as B^0.75 to the best batch size, then by `slope`. */
const turning = (u: number, budget: number, slope: number) => {
  const v = u - bestOf(budget);
  return -6 + 0.3 * budget + (v < 0 ? 0.75 * v : slope * v);
};
const at = (groups: readonly JointGroup[], budget: number, u: number) =>
  jointLaw(["tokens"], groups, 0.9).at({ covariates: [budget], category: "[]" }, u);

describe("the joint law of groups", () => {
  test("learns how the curve beyond the best batch size changes with a covariate", () => {
    // The larger the budget, the more the learning rate falls again.
    const slope = (budget: number) => -0.2 - 0.2 * budget;
    const groups = groupsOf((u, budget) => turning(u, budget, slope(budget)));
    for (const left of [3, 4]) {
      const budget = budgets[left]!;
      const rest = groups.filter((_, i) => i !== left);
      const u = bestOf(budget) + 1.2;
      const truth = turning(u, budget, slope(budget));
      const { mean, deviation } = at(rest, budget, u);
      // The mean slope of the other groups would miss by 1.2·0.2·(budget − their mean).
      const typical = turning(
        u,
        budget,
        rest.reduce((sum, one) => sum + slope(one.covariates[0]!), 0) / rest.length,
      );
      assert.ok(
        Math.abs(mean - truth) < 0.6 * Math.abs(typical - truth),
        `${budget}: ${mean}, not ${truth}; without interaction ${typical}`,
      );
      assert.ok(Math.abs(mean - truth) < 2.5 * deviation);
    }
  });

  test("claims no change with a covariate where there is none", () => {
    const groups = groupsOf((u, budget) => turning(u, budget, 0));
    const far = [-2, 2].map(
      (budget) => at(groups, budget, bestOf(budget) + 1).mean - at(groups, budget, bestOf(budget)).mean,
    );
    assert.ok(Math.abs(far[0]! - far[1]!) < 0.1, far.join(" and "));
  });

  test("says that groups are alike exactly where their curves have one form", () => {
    assert.equal(
      jointLaw(
        ["tokens"],
        groupsOf((u, budget) => turning(u, budget, 0)),
        0.9,
      ).alike,
      true,
    );
    // Waves that each group has for itself.
    const waves = groupsOf((u, budget, group) => turning(u, budget, 0) + 0.5 * Math.sin(2.2 * u + 2 * group));
    assert.equal(jointLaw(["tokens"], waves, 0.9).alike, false);
    const level = groupsOf((u, budget) => -6 + 0.5 * u + budget, false);
    assert.equal(jointLaw(["tokens"], level, 0.9).alike, true);
  });

  test("a known group's own optima count where it was swept, whatever the others say", () => {
    const groups = groupsOf((u, budget) => turning(u, budget, 0));
    const shifted = groups.map((group, i) =>
      i === 2 ? { ...group, optima: group.optima.map((one) => ({ ...one, y: one.y + 1 })) } : group,
    );
    const law = jointLaw(["tokens"], shifted, 0.9);
    const place = { covariates: [0], category: "[]" };
    const own = law.at({ ...place, group: 2 }, 4.4);
    assert.ok(Math.abs(own.mean - shifted[2]!.optima[2]!.y) < 0.1, `${own.mean}`);
    assert.ok(law.at(place, 4.4).mean < own.mean - 0.3);
    assert.ok(law.at(place, 4.4).deviation > own.deviation);
  });

  test("one group is no study", () => {
    assert.throws(() => jointLaw(["tokens"], groupsOf(() => 0).slice(0, 1), 0.9), DataError);
  });
});
