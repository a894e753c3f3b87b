// What transformersJs.ts runs in Node and in Chromium: 64 greedy tokens after some, or up to the end of the text, with transformers.js.

/**
 * @param transformers - its module
 * @param model - folder within `env.localModelPath`
 * @param device - "cpu" or "wasm"
 */
export async function continued({ AutoModelForCausalLM, Tensor }, model, device, tokens) {
  const loaded = await AutoModelForCausalLM.from_pretrained(model, { dtype: "fp32", device });
  const output = await loaded.generate({
    input_ids: new Tensor("int64", BigInt64Array.from(tokens, BigInt), [1, tokens.length]),
    attention_mask: new Tensor("int64", new BigInt64Array(tokens.length).fill(1n), [1, tokens.length]),
    max_new_tokens: 64,
    do_sample: false,
  });
  return [...output.data].slice(tokens.length).map(Number);
}
