// The table of docs/exchange.md, from the rows of src/exchange/architectures.
import { architectures } from "../src/exchange/index.ts";

const mark = {
  begin: "<!-- architectures: written by npm run docs:exchange -->",
  end: "<!-- /architectures -->",
};

/** The table of docs/exchange.md. */
export function exchangeTable(): string {
  const rows = architectures.map(
    ({ modelType, className, models, replacesTokenizer, gguf }) =>
      `| \`${modelType}\` | \`${className}\` | ${models} | ${replacesTokenizer ? "`PreTrainedTokenizerFast`" : "`AutoTokenizer`"} | ${gguf === null ? "none" : `\`${gguf.name}\``} |`,
  );
  return `${mark.begin}

| \`model_type\` | class of Transformers | models | load the tokenizer of an export with | in llama.cpp |
|---|---|---|---|---|
${rows.join("\n")}

${mark.end}`;
}

/** The page with its table as the rows are now. */
export function withExchangeTable(page: string): string {
  const [before, rest] = page.split(mark.begin);
  const after = rest?.split(mark.end)[1];
  if (before === undefined || after === undefined) throw new Error(`the page has no ${mark.begin}`);
  return `${before}${exchangeTable()}${after}`;
}
