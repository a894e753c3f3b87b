import { EngineArray } from "../../compile/index.ts";
import { promptTokens } from "../../data/index.ts";
import { ConfigError } from "../../errors.ts";
import type { AttentionView } from "../views.ts";
import type { HeldText } from "./heldModels.ts";
import type { AttentionQuestion } from "./modelQuestion.ts";
import { tokenView } from "./tokenText.ts";

/** Tokens of a prompt at most: a picture has a row and a column of each. */
const mostTokens = 128;
/** Lengths are filled up to a multiple of this, so that few graphs serve all; what comes later isn't attended to. */
const block = 16;

/** What each head of a layer attends to: rows of lower triangles. */
export async function attentionPatterns(
  { model, tokenizer, attention, params }: HeldText,
  { prompt, layer }: AttentionQuestion,
): Promise<AttentionView> {
  const { numLayers, numHeads, maxLength, position } = model;
  if (layer >= numLayers) throw new ConfigError(`layer ${layer}: expected an integer in [0, ${numLayers})`);
  const ids = promptTokens(tokenizer, prompt);
  const most = position === "learned" ? Math.min(mostTokens, maxLength) : mostTokens;
  if (ids.length > most) throw new ConfigError(`prompt: has ${ids.length} tokens, expected at most ${most}`);
  const length = Math.min(Math.ceil(ids.length / block) * block, Math.max(most, ids.length));
  const padded = new Int32Array(length).fill(ids.at(-1)!);
  padded.set(ids);
  const tokens = EngineArray.from(padded, [1, length]);
  const weights = await (await attention(params, tokens)).data();
  const rowOf = (head: number, query: number) => {
    const start = ((layer * numHeads + head) * length + query) * length;
    return Array.from({ length: query + 1 }, (_, key) => Number(weights[start + key]!.toFixed(4)));
  };
  return {
    tokens: ids.map((id) => tokenView(tokenizer, id)),
    numLayers,
    layer,
    heads: Array.from({ length: numHeads }, (_, head) => ids.map((_, query) => rowOf(head, query))),
  };
}
