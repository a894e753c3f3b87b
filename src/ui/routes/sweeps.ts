import type { SweepRecord } from "../../sweeps/index.ts";
import { route } from "../route.ts";
import type { SweepsView, SweepView } from "../views.ts";

export function sweepView({ id, name, createdAt, codeVersion, counts, definition }: SweepRecord): SweepView {
  return {
    id,
    name,
    createdAt,
    codeVersion,
    counts,
    parameters: Object.keys(definition.parameters),
    isAdaptive: definition.adaptive !== null,
  };
}

/** All sweeps, newest first; those of all machines with a database. */
export const sweepsRoute = route({
  method: "GET",
  path: "/api/sweeps",
  async answer(context): Promise<SweepsView> {
    const store = await context.trials();
    return {
      location: store.location,
      sweeps: (await store.listSweeps()).map(sweepView),
      problems: await store.problems(),
    };
  },
});
