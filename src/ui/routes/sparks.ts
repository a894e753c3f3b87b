import { route } from "../route.ts";
import type { SparksView } from "../views.ts";

const points = 32;
const most = 1000;

/** Small curves of the losses of some runs: `?run=a&run=b`. */
export const sparksRoute = route({
  method: "GET",
  path: "/api/sparks",
  answer({ runs: store }, { query }): SparksView {
    const ids = query.getAll("run").slice(0, most);
    return Object.fromEntries(
      ids
        .filter((id) => store.hasRun(id))
        .map((id) => [id, store.metricSample(id, "loss", points).map(({ value }) => value)]),
    );
  },
});
