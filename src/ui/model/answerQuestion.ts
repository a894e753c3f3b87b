import { ConfigError } from "../../errors.ts";
import { attentionPatterns } from "./attentionPatterns.ts";
import { continueText } from "./continueText.ts";
import type { HeldModels } from "./heldModels.ts";
import type { ModelQuestion } from "./modelQuestion.ts";
import { codebookAtlas, picturesBetween } from "./pictures.ts";

/**
 * @param isCancelled - looked at between tokens
 * @throws RotorError for what can't be answered
 */
export async function answerQuestion(
  models: HeldModels,
  question: ModelQuestion,
  isCancelled: () => boolean,
): Promise<unknown> {
  switch (question.kind) {
    case "continue":
      return continueText(await models.text(question), question, () => {
        if (isCancelled()) throw new ConfigError("the question was taken back");
      });
    case "attention":
      return attentionPatterns(await models.text(question), question);
    case "atlas":
      return codebookAtlas((await models.images(question)).codec, question);
    case "between":
      return picturesBetween((await models.images(question)).codec, question);
  }
}
