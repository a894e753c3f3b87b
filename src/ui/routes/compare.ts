import { ConfigError } from "../../errors.ts";
import { compareUnits } from "../compareUnits.ts";
import { route } from "../route.ts";
import { budgetOf, clockOf, configOf, differencesOf, eventsOf, runView, thinClock } from "../runView.ts";
import type { CompareView } from "../views.ts";
import { runOf } from "./run.ts";

/** What several runs can be compared by, and where they differ: `?run=a&run=b`. */
export const compareRoute = route({
  method: "GET",
  path: "/api/compare",
  answer(context, { query }): CompareView {
    const ids = [...new Set(query.getAll("run"))];
    if (ids.length === 0) throw new ConfigError("compare: expected runs");
    const runs = ids.map((id) => runOf(context, id));
    const views = runs.map((run) => ({
      ...runView(context.runs, run),
      ...budgetOf(run),
      clock: thinClock(clockOf(eventsOf(run.directory))),
    }));
    const configs = runs.map(configOf);
    const known = configs.filter((config) => config !== null);
    const units =
      known.length === configs.length
        ? compareUnits(
            known,
            views.map(({ step }) => step),
          )
        : {
            by: "loss" as const,
            notes: ["whether the losses can be compared isn't known: a run is of another version of Rotor"],
          };
    const names = ids.map((id) => new Set(context.runs.metricNames(id)));
    const commonMetrics = [...(names[0] ?? [])].filter((name) => names.every((own) => own.has(name)));
    return {
      ...units,
      commonMetrics,
      runs: views,
      differences: differencesOf(runs.map(({ config }) => config)),
    };
  },
});
