import { writeFileSync } from "node:fs";
import path from "node:path";
import type { numpy as np } from "@jax-js/jax";
import { flattenState } from "../../checkpoint/index.ts";
import { compile, EngineArray, OnnxGraph, type OnnxSize } from "../../compile/index.ts";
import { buildQuantizer, type QuantizerPartConfig } from "../../config/index.ts";
import { ExchangeError } from "../../errors.ts";
import type { Quantizer, QuantizerTree } from "../../quantize/index.ts";
import { RunStore } from "../../runs/index.ts";
import { type LoadedImageModel, loadImageModel } from "../../sample/index.ts";
import { checkDisk } from "../checkDisk.ts";
import type { Exported } from "../exportHuggingFace.ts";
import type { ModelChoice } from "../openModel.ts";
import { checkFolder, writeFolder } from "../outputFolder.ts";
import { type Weight, writeWeightFile } from "../weightFiles.ts";
import type { GraphQuantizer } from "./codeFinders.ts";
import { ImageGraph } from "./imageGraph.ts";
import { Layers } from "./layers.ts";
import { codesOf, type QuantizerParts, vectorsOf } from "./quantizerGraph.ts";

/** A model of ONNX has at most 2 GiB. */
const mostBytes = 2 ** 31;

/** All codes of a quantizer, by its own `decode`. */
async function tableOf(quantizer: Quantizer, params: QuantizerTree, state: QuantizerTree, name: string) {
  const [numCodes] = quantizer.codebookSizes as [number];
  await using decode = compile((p: QuantizerTree, s: QuantizerTree, codes: np.Array) =>
    quantizer.decode(p, s, codes),
  );
  const codes = EngineArray.from(
    Int32Array.from({ length: numCodes }, (_, code) => code),
    [numCodes],
  );
  const vectors = (await decode(params, state, codes as never)) as np.Array;
  const shape = [numCodes, quantizer.dim] as const;
  return { name, shape, data: Float32Array.from(await vectors.data()) };
}

/** The quantizer of a run as rows of tables. */
async function partsOf({ config, model }: LoadedImageModel): Promise<QuantizerParts> {
  const { params, state } = model.variables as unknown as {
    readonly params: { readonly quantizer: QuantizerTree };
    readonly state: QuantizerTree;
  };
  const { combination, parts } = buildQuantizer(config.quantizer);
  const { layers, parts: listed } = config.quantizer as Partial<
    Record<"layers" | "parts", readonly QuantizerPartConfig[]>
  >;
  const configs = layers ?? listed ?? [config.quantizer as QuantizerPartConfig];
  const result: GraphQuantizer[] = [];
  for (const [i, part] of parts.entries()) {
    const [own, ownState, name] =
      combination === null
        ? [params.quantizer, state, "codebook"]
        : [params.quantizer.layers[i], state.layers[i], `codebook.${i}`];
    result.push({ config: configs[i]!, table: await tableOf(part, own, ownState, name) });
  }
  return { combination, parts: result };
}

/** A graph from images to codes and the latent vectors before them, from codes to images, or from codes to their vectors. */
function graphsOf(loaded: LoadedImageModel, quantizer: QuantizerParts): ReadonlyMap<string, OnnxGraph> {
  const { config, variables } = loaded.model;
  const { image, latent } = config;
  const numParts = quantizer.parts.length;
  const images: OnnxSize[] = ["batch", image.height, image.width, image.channels];
  const vectors: OnnxSize[] = ["batch", latent.height, latent.width, latent.dim];
  const codes: OnnxSize[] = [...vectors.slice(0, 3), ...(quantizer.combination === null ? [] : [numParts])];
  const parameters = flattenState((variables as unknown as { params: object }).params);
  const graph = (name: string, make: (own: OnnxGraph, model: ImageGraph) => void): [string, OnnxGraph] => {
    const own = new OnnxGraph(name);
    make(own, new ImageGraph(own, new Layers(own, parameters), config));
    return [`${name}.onnx`, own];
  };
  return new Map([
    graph("encoder", (own, model) => {
      const latents = model.encode(own.input("images", "float32", images));
      own.output("codes", "int32", codes, codesOf(own, latents, quantizer));
      own.output("latents", "float32", vectors, latents);
    }),
    graph("decoder", (own, model) => {
      const found = vectorsOf(own, own.input("codes", "int32", codes), quantizer);
      own.output("images", "float32", images, model.decode(found));
    }),
    graph("codebook", (own) => {
      own.output(
        "vectors",
        "float32",
        vectors,
        vectorsOf(own, own.input("codes", "int32", codes), quantizer),
      );
    }),
  ]);
}

/**
 * Writes the autoencoder of a run as a folder: `encoder.onnx`, `decoder.onnx` and `codebook.onnx`, with ONNX's own operators, open in the number of
 * images; `codebook.safetensors`, the codes of each quantizer; and the run's configuration as `rotor.json`.
 *
 * @param folder - must not exist, or be empty
 * @throws ConfigError for a run without a quantizer; ExchangeError for models beyond ONNX's 2 GiB; OutputError if the folder can't be written;
 *   nothing is left behind then
 */
export async function exportAutoencoder(
  reference: string,
  folder: string,
  { checkpoint = "latest", home = ".rotor", warn }: ModelChoice = {},
): Promise<Exported> {
  using store = new RunStore(home, { readOnly: true });
  const loaded = await loadImageModel(store, store.getRun(reference), checkpoint, warn);
  const { run, config, step, identity } = loaded;
  checkFolder(folder);
  const quantizer = await partsOf(loaded);
  const graphs = graphsOf(loaded, quantizer);
  for (const [name, { constantBytes }] of graphs)
    if (constantBytes > mostBytes)
      throw new ExchangeError(
        `${name}: ${constantBytes} bytes of parameters: a model of ONNX has at most ${mostBytes}`,
      );
  const encoded = [...graphs].map(([name, graph]) => [name, graph.encode().bytes] as const);
  const tables = quantizer.parts.map(
    ({ table: { name, shape, data } }): Weight => ({ name, shape, make: () => data }),
  );
  const tableBytes = tables.reduce((sum, { shape }) => sum + 4 * shape[0]! * shape[1]!, 0);
  checkDisk(
    folder,
    encoded.reduce((sum, [, { length }]) => sum + length, tableBytes),
  );
  writeFolder(folder, (temporary) => {
    for (const [name, bytes] of encoded) writeFileSync(path.join(temporary, name), bytes);
    writeWeightFile(path.join(temporary, "codebook.safetensors"), tables, "float32", { identity });
    writeFileSync(path.join(temporary, "rotor.json"), `${JSON.stringify(config, null, 2)}\n`);
  });
  return { run, step, architecture: `autoencoder (${config.quantizer.kind})`, output: folder, notes: [] };
}
