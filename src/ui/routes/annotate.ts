import { ConfigError } from "../../errors.ts";
import { annotationSchema, firstProblem, RunStore } from "../../runs/index.ts";
import { route } from "../route.ts";
import { runView } from "../runView.ts";
import { runOf } from "./run.ts";

/** Tags and note of a run: all that the page writes. */
export const annotateRoute = route({
  method: "POST",
  path: "/api/runs/:run/annotation",
  answer(context, { params, body }) {
    const run = runOf(context, params.run!);
    const parsed = annotationSchema.safeParse(body);
    if (!parsed.success) throw new ConfigError(`annotation: ${firstProblem(parsed.error)}`);
    using store = new RunStore(context.home, { create: false });
    store.annotate(run.id, parsed.data);
    return runView(store, store.getRun(run.id));
  },
});
