import { stringify } from "yaml";
import type { CheckpointSidecar } from "../checkpoint/index.ts";
import type { LanguageConfig } from "../config/index.ts";
import type { RunRecord } from "../runs/index.ts";
import { visibleLine } from "../visibleText.ts";
import type { ExpressedModel } from "./architectureFor.ts";
import type { WeightType } from "./weightFiles.ts";

/** The `README.md` of an exported model: what it is, what it was trained on, how well it does, how to use and how to repeat it. */
export function modelCard(
  run: RunRecord,
  config: LanguageConfig,
  { step, validationLoss, codeVersion }: CheckpointSidecar,
  { architecture }: ExpressedModel,
  dtype: WeightType,
): string {
  const { imported, expectedLoss, data, training } = config;
  const name = visibleLine(config.name);
  const front = stringify({
    library_name: "transformers",
    pipeline_tag: "text-generation",
    tags: ["rotor", architecture.modelType],
  });
  const tokens = step * training.batchSize * training.accumulate * training.length;
  const band =
    expectedLoss === null
      ? ""
      : `; expected are ${expectedLoss.mean} ± ${expectedLoss.spread} at the end (${expectedLoss.seeds} seeds)`;
  const loss =
    validationLoss === null
      ? "It wasn't evaluated at this step."
      : `Validation loss ${validationLoss.toFixed(4)} nats per token${band}.`;
  const origin =
    imported === undefined
      ? `Trained by Rotor ${codeVersion} for ${step} steps (${tokens} tokens) on ${visibleLine([data.source].flat().join(", "))}. ${loss}`
      : `Imported by Rotor ${codeVersion} from a model of the architecture ${imported.architecture}, and exported again; not trained.`;
  const repeat =
    imported === undefined
      ? `
## How to repeat it

\`rotor.json\` is the whole configuration of run ${run.id}:

\`\`\`sh
npx rotor train rotor.json
\`\`\`
`
      : "";
  // AutoTokenizer would take another split.
  const tokenizerClass = architecture.replacesTokenizer ? "PreTrainedTokenizerFast" : "AutoTokenizer";
  return `---
${front}---

# ${name}

${origin}

\`\`\`python
from transformers import AutoModelForCausalLM, ${tokenizerClass}

tokenizer = ${tokenizerClass}.from_pretrained(".")
model = AutoModelForCausalLM.from_pretrained(".")
inputs = tokenizer("The ", return_tensors="pt")
print(tokenizer.decode(model.generate(**inputs, max_new_tokens=64)[0]))
\`\`\`

Weights are ${dtype}, as \`${architecture.className}\` of Transformers.
${repeat}
## Configuration

\`\`\`yaml
${stringify({ model: config.model, optimizer: config.optimizer, schedule: config.schedule, training }).trimEnd()}
\`\`\`
`;
}
