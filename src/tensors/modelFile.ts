import { z } from "zod";
import type { EngineLeaves } from "../compile/index.ts";
import { CheckpointError } from "../errors.ts";
import type { StoredTensor } from "./safetensorsHeader.ts";
import { storedTensors } from "./stateTree.ts";
import { checkTensorFile, encodeTensorFile } from "./tensorFile.ts";

const modelFormat = "rotor-model";

const aboutSchema = z.strictObject({
  version: z.literal(1),
  name: z.string().min(1).max(200),
  step: z.number().int().nonnegative(),
  /** Options of a transformer, which who reads the file checks. */
  model: z.record(z.string(), z.unknown()),
  /** `"bytes"`, or the contents of a `tokenizer.json`. */
  tokenizer: z.unknown(),
});

/** What a model file says of its parameters. */
export interface ModelFileAbout {
  readonly name: string;
  /** Steps that it was trained for. */
  readonly step: number;
  /** Options of the transformer, as `resolveTransformerConfig` takes them. */
  readonly model: object;
  /** `"bytes"`, or the contents of a `tokenizer.json`. */
  readonly tokenizer: unknown;
}

/**
 * A language model in one file, which `rotor import` makes a run of: safetensors with the transformer's options, its tokenizer and a checksum in
 * the metadata.
 *
 * @param params - the parameters, in host memory: leaves of `EngineState.load()`
 * @returns parts of the file, as `new Blob(parts)` takes them
 *
 * @example
 * ```ts
 * const model = { vocabSize: 257, numLayers: 1, modelDim: 8, numHeads: 1, maxLength: 16 };
 * const params = await toEngine(initTransformer(random.key(1), resolveTransformerConfig(model)));
 * const parts = await encodeModelFile({ name: "tiny", step: 0, model, tokenizer: "bytes" }, params);
 * parts.length > 1; // => true
 * ```
 */
export async function encodeModelFile(
  about: ModelFileAbout,
  params: EngineLeaves<object>,
): Promise<Uint8Array<ArrayBuffer>[]> {
  const parsed = aboutSchema.safeParse({ version: 1, ...about });
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new CheckpointError(`encodeModelFile: ${issue!.path.join(".")}: ${issue!.message}`);
  }
  return await encodeTensorFile(modelFormat, parsed.data, storedTensors(params));
}

/** Whether the metadata of a safetensors file say that it is a model file. */
export const isModelFile = (metadata: Readonly<Record<string, string>>) => metadata.format === modelFormat;

/**
 * What a model file says of its parameters.
 *
 * @throws CheckpointError if it is damaged, or no model file
 */
export async function checkModelFile(
  metadata: Readonly<Record<string, string>>,
  tensors: ReadonlyMap<string, StoredTensor>,
  file: string,
): Promise<ModelFileAbout> {
  const parsed = aboutSchema.safeParse(await checkTensorFile(modelFormat, metadata, tensors, file));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new CheckpointError(
    `${file}: what it says of its model: ${issue!.path.join(".")}: ${issue!.message}`,
  );
}
