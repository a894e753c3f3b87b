import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { readSafetensors, type StoredTensor } from "../../checkpoint/index.ts";

/** Where the models lie. */
export const modelsFolder = fileURLToPath(new URL("./models", import.meta.url));

/** The tokenizer of all models. */
export const tokenizerPath = path.join(modelsFolder, "tokenizer.json");

/** Names of the models that scripts/references/exchangeModels.py made. */
export const modelNames: readonly string[] = readdirSync(modelsFolder).filter(
  (name) => name !== "tokenizer.json",
);

/** What Transformers makes of a model. */
export interface Expected {
  readonly tokens: readonly number[];
  readonly places: readonly number[];
  readonly logits: readonly (readonly number[])[];
  /** The likeliest tokens after `tokens`, one after the other. */
  readonly greedy: readonly number[];
}

export const expectedOf = (name: string): Expected =>
  JSON.parse(readFileSync(path.join(modelsFolder, name, "expected.json"), "utf8"));

/** A folder of a model, with the tokenizer, that is deleted when it goes out of scope. */
export function modelFolder(name: string): { readonly path: string } & Disposable {
  const folder = mkdtempSync(path.join(tmpdir(), "rotor-model-"));
  cpSync(path.join(modelsFolder, name), folder, { recursive: true });
  cpSync(tokenizerPath, path.join(folder, "tokenizer.json"));
  rmSync(path.join(folder, "expected.json"));
  return {
    path: folder,
    [Symbol.dispose]() {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The tensors of a folder as they stand, halves widened. */
export function weightsIn(folder: string): Map<string, StoredTensor> {
  const files = readdirSync(folder).filter((name) => name.endsWith(".safetensors"));
  const read = (name: string) =>
    readSafetensors(path.join(folder, name), undefined, { halfPrecision: "widen" }).tensors;
  return new Map(files.flatMap((name) => [...read(name)]));
}
