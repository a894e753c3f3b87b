export { type ChatPrompt, chatPrompt } from "./chatPrompt.ts";
export {
  type ChatMessage,
  ChatTemplate,
  type RenderedChat,
  type StoredChatTemplate,
} from "./chatTemplate.ts";
export { type ExampleDataset, type ExampleDatasetOptions, openExampleDataset } from "./exampleDataset.ts";
export { type Example, type ExampleKind, exampleKinds, exampleOf, tokensInSpans } from "./exampleTokens.ts";
export { PackedExamples, type PackedRows } from "./packedExamples.ts";
export { chatTemplateIn, readChatTemplate } from "./readChatTemplate.ts";
