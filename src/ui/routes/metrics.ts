import { route } from "../route.ts";
import type { MetricsView } from "../views.ts";
import { runOf } from "./run.ts";

/** Metrics of a run: `?name=loss&after=100` gives the steps after 100, and how many there were up to it. */
export const metricsRoute = route({
  method: "GET",
  path: "/api/runs/:run/metrics",
  answer(context, { params, query }): MetricsView {
    const { runs: store } = context;
    const { id } = runOf(context, params.run!);
    const names = query.getAll("name");
    const afters = query.getAll("after").map(Number);
    return Object.fromEntries(
      names.map((name, i) => {
        const after = Number.isInteger(afters[i]) ? afters[i]! : -1;
        return [
          name,
          {
            ...store.metricColumns(id, name, after),
            before: after < 0 ? 0 : store.countMetric(id, name, after),
          },
        ];
      }),
    );
  },
});
