import { writeFileSync } from "node:fs";
import path from "node:path";
import { evaluatedChanges, flattenShapes, matchTensors, stateShapes } from "../checkpoint/index.ts";
import { Adaptation, adaptationOf, transformerShapes } from "../config/index.ts";
import { ExchangeError } from "../errors.ts";
import { architectureFor } from "./architectureFor.ts";
import { checkDisk } from "./checkDisk.ts";
import type { Exported } from "./exportHuggingFace.ts";
import { type ModelChoice, openModel } from "./openModel.ts";
import { checkFolder, writeFolder } from "./outputFolder.ts";
import { adapterFiles, peftAdapter } from "./peftAdapter.ts";
import { type Weight, weightBytes, writeWeightFile } from "./weightFiles.ts";

/**
 * Writes what a run with LoRA has trained, without the model, as a folder that PEFT loads: `adapter_config.json` and `adapter_model.safetensors`, in
 * float32. The matrices are those that the run evaluates.
 *
 * @param folder - must not exist, or be empty
 * @throws ExchangeError for a run without LoRA or with more that is trained than its changes, for a model that no architecture of Transformers has,
 *   and for matrices that the architecture stores as one; OutputError if the folder can't be written; nothing is left behind then
 */
export async function exportPeft(
  reference: string,
  folder: string,
  choice: ModelChoice = {},
): Promise<Exported> {
  const { run, config, checkpoint, model, origin } = openModel(reference, choice);
  const { lora, from } = config;
  if (lora === undefined)
    throw new ExchangeError(
      `run ${run.id}: was trained without LoRA, so it has no adapter: export the model, as huggingface`,
    );
  const shapes = transformerShapes(model);
  const { trained } = adaptationOf(config, flattenShapes(shapes))!;
  const other = [...trained.keys()].find((own) => !Adaptation.isChange(own));
  if (other !== undefined)
    throw new ExchangeError(
      `run ${run.id}: has trained ${other} as well, which an adapter doesn't hold: export the model, as huggingface`,
    );
  const { architecture } = architectureFor(model, origin);
  checkFolder(folder);
  const { tensors: stored, file } = checkpoint;
  matchTensors(stored, stateShapes(config, { params: shapes }), file);
  const changes = (await evaluatedChanges(config, stored)).trained;
  const tensors = new Map(
    Object.entries(changes).map(([name, { shape, data }]) => [
      name,
      { dtype: "float32" as const, shape: [...shape], data: data as Float32Array<ArrayBuffer> },
    ]),
  );
  const base = from !== undefined && "folder" in from ? from.folder : null;
  const written = peftAdapter(architecture, model, { lora, tensors }, base);
  const weights = [...written.tensors].map(
    ([name, { shape, data }]): Weight => ({ name, shape, make: () => data as Float32Array }),
  );
  checkDisk(folder, weightBytes(weights, "float32"));
  writeFolder(folder, (temporary) => {
    const text = `${JSON.stringify(written.config, null, 2)}\n`;
    writeFileSync(path.join(temporary, adapterFiles.config), text);
    writeWeightFile(path.join(temporary, adapterFiles.tensors), weights, "float32");
  });
  return {
    run,
    step: checkpoint.sidecar.step,
    architecture: architecture.modelType,
    output: folder,
    notes:
      from !== undefined && "run" in from
        ? [
            `the adapter is of the model of run ${from.run} at step ${from.step}: PEFT loads it on that one, exported as huggingface`,
          ]
        : [],
  };
}
