import { route } from "../route.ts";
import { runView } from "../runView.ts";
import type { RunsView } from "../views.ts";

/** The newest so many are listed. */
const limit = 5000;

/** All runs, without their metrics. */
export const runsRoute = route({
  method: "GET",
  path: "/api/runs",
  answer({ home, runs: store }): RunsView {
    const runs = store.listRuns(limit);
    return {
      home,
      runs: runs.map((run) => runView(store, run)),
      count: store.countRuns(),
      latest: runs.find(({ trial }) => trial === null)?.id ?? null,
      problems: store.problems(),
    };
  },
});
