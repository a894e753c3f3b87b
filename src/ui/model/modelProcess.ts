// The process that has the models of the playground: it answers its parent's questions, and ends with it.
import { RotorError } from "../../errors.ts";
import { answerQuestion } from "./answerQuestion.ts";
import { HeldModels } from "./heldModels.ts";
import type { FromModel, ToModel } from "./modelQuestion.ts";

const [home] = process.argv.slice(2) as [string];
const models = new HeldModels(home);
/** The question that is being answered, unless it was taken back. */
let wanted: number | null = null;

const reply = (message: FromModel) => void process.send!(message);

process.on("disconnect", () => process.exit(0));
process.on("message", (message) => {
  const asked = message as ToModel;
  if ("cancel" in asked) {
    if (wanted === asked.id) wanted = null;
    return;
  }
  const { id, question } = asked;
  wanted = id;
  void answerQuestion(models, question, () => wanted !== id)
    .then((answer) => reply({ id, answer }))
    .catch((error: unknown) => {
      const code = error instanceof RotorError ? error.code : "INTERNAL";
      reply({ id, error: { code, message: error instanceof Error ? error.message : String(error) } });
    });
});
