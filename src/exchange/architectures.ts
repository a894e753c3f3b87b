import type { Architecture } from "./architecture.ts";
import { arcee } from "./architectures/arcee.ts";
import { gemma3 } from "./architectures/gemma3.ts";
import { gpt2 } from "./architectures/gpt2.ts";
import { gptNeox } from "./architectures/gptNeox.ts";
import { llama } from "./architectures/llama.ts";
import { mistral } from "./architectures/mistral.ts";
import { nanochat } from "./architectures/nanochat.ts";
import { olmo2 } from "./architectures/olmo2.ts";
import { qwen2 } from "./architectures/qwen2.ts";
import { qwen3 } from "./architectures/qwen3.ts";
import { smollm3 } from "./architectures/smollm3.ts";

/** All architectures; where several express a model, the first of them is taken. */
export const architectures: readonly Architecture[] = [
  llama,
  qwen3,
  gpt2,
  mistral,
  qwen2,
  smollm3,
  olmo2,
  gemma3,
  nanochat,
  arcee,
  gptNeox,
];

export const architectureNames: readonly string[] = architectures.map(({ modelType }) => modelType);
