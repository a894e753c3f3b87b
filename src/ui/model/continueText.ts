import { promptTokens } from "../../data/index.ts";
import { ConfigError } from "../../errors.ts";
import type { ContinuationView, DrawnTokenView } from "../views.ts";
import type { HeldText } from "./heldModels.ts";
import { likeliest } from "./likeliest.ts";
import type { ContinueQuestion } from "./modelQuestion.ts";
import { tokenView } from "./tokenText.ts";

/** Tokens before those that are drawn, at most: they go through the model first. */
const mostTokens = 4096;

/**
 * Tokens after a prompt, each with what else could have come, by the model's own probabilities: those before temperature, top k and top p.
 *
 * @param check - throws if the answer isn't wanted any more; called at each token
 */
export async function continueText(
  { tokenizer, generator, params }: HeldText,
  question: ContinueQuestion,
  check: () => void,
): Promise<ContinuationView> {
  const { prompt, ids: chosen, tokens: numTokens, temperature, topK, topP, seed } = question;
  const wrong = chosen.find((id) => id >= tokenizer.vocabSize);
  if (wrong !== undefined)
    throw new ConfigError(`ids: ${wrong}: expected an integer in [0, ${tokenizer.vocabSize})`);
  const start = promptTokens(tokenizer, prompt);
  const ids = [...start, ...chosen];
  if (ids.length > mostTokens)
    throw new ConfigError(`prompt: has ${ids.length} tokens, expected at most ${mostTokens}`);
  const tokens: DrawnTokenView[] = [];
  const sampling = { temperature, ...(topK !== null && { topK }), ...(topP !== null && { topP }) };
  for await (const { token, logits } of generator.draws(params, { ids, numTokens, seed, ...sampling })) {
    check();
    const next = likeliest(logits, question.choices);
    tokens.push({
      ...tokenView(tokenizer, token),
      isEnd: token === tokenizer.endOfText,
      probability: next.probabilityOf(token),
      entropy: next.entropy,
      choices: next.ids.map((id) => ({
        ...tokenView(tokenizer, id),
        probability: next.probabilityOf(id),
      })),
    });
  }
  return {
    prompt: start.map((id) => tokenView(tokenizer, id)),
    chosen: chosen.map((id) => tokenView(tokenizer, id)),
    tokens,
  };
}
