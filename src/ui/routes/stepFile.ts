import { FileAnswer, NotFoundError, route } from "../route.ts";
import { readStepFile } from "../runView.ts";
import { runOf } from "./run.ts";

/** Folders of a run whose files of steps may be read, and what they hold. */
const parts = { pictures: "image/png", codes: "application/json" } as const;

/** A picture that a run drew at an evaluation, or the histogram of its codes. */
export const stepFileRoute = route({
  method: "GET",
  path: "/api/runs/:run/:part/:file",
  answer(context, { params }) {
    const { directory } = runOf(context, params.run!);
    const part = params.part!;
    if (part !== "pictures" && part !== "codes")
      throw new NotFoundError(`${JSON.stringify(part)}: nothing is there`);
    const data = readStepFile(directory, part, params.file!);
    if (data === null) throw new NotFoundError(`${JSON.stringify(params.file)}: isn't a file of the run`);
    return new FileAnswer(parts[part], data);
  },
});
