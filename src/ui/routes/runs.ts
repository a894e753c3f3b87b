import { route } from "../route.ts";
import type { RunsView } from "../views.ts";

/** The newest so many are listed. */
const limit = 5000;

/** All runs, without their metrics. */
export const runsRoute = route({
  method: "GET",
  path: "/api/runs",
  answer({ home, runs: store, runList }): RunsView {
    const { runs, problems } = runList.read(store, limit);
    return {
      home,
      runs,
      count: store.countRuns(),
      latest: runs.find(({ trial }) => trial === null)?.id ?? null,
      problems,
    };
  },
});
