import { statSync } from "node:fs";
import { checkpointFile, openCheckpoint } from "../../checkpoint/index.ts";
import { type EnginePlacement, settledPlacement, toDevice, usableThreads } from "../../compile/index.ts";
import { parseConfig, parseLanguageConfig } from "../../config/index.ts";
import { CheckpointError } from "../../errors.ts";
import { checkMemory, memoryLimit } from "../../memoryBudget.ts";
import { type RunRecord, RunStore } from "../../runs/index.ts";
import { Generator, ImageCodec, loadImageModel } from "../../sample/index.ts";
import { type TextModel, textModelOf } from "../../tasks/index.ts";
import { attentionProgram } from "./attentionProgram.ts";
import type { ModelPlace } from "./modelQuestion.ts";

/** A model of text, ready to be asked. */
export interface HeldText extends TextModel {
  readonly kind: "text";
  readonly generator: Generator;
  readonly attention: ReturnType<typeof attentionProgram>;
  readonly bytes: number;
  dispose(): Promise<void>;
}

/** An autoencoder of images, ready to decode. */
export interface HeldImages {
  readonly kind: "images";
  readonly codec: ImageCodec;
  readonly bytes: number;
  dispose(): Promise<void>;
}

/** Two, for prompts side by side. */
const mostHeld = 2;

/** The models that were asked last: no more than two, and no more than half of the memory. */
export class HeldModels {
  readonly #home: string;
  readonly #held = new Map<string, HeldText | HeldImages>();

  constructor(home: string) {
    this.#home = home;
  }

  /** @throws RotorError if the checkpoint isn't one of a model of text, or can't be used */
  async text(place: ModelPlace): Promise<HeldText> {
    return (await this.#model(place, "text", openText)) as HeldText;
  }

  /** @throws RotorError if the checkpoint isn't one of an autoencoder with codes, or can't be used */
  async images(place: ModelPlace): Promise<HeldImages> {
    return (await this.#model(place, "images", openImages)) as HeldImages;
  }

  async #model(
    { run: id, step }: ModelPlace,
    kind: string,
    open: (store: RunStore, run: RunRecord, step: number, bytes: number) => Promise<HeldText | HeldImages>,
  ): Promise<HeldText | HeldImages> {
    using store = new RunStore(this.#home, { readOnly: true });
    const run = store.getRun(id);
    const file = checkpointFile(run.directory, step);
    const stats = statSync(file, { throwIfNoEntry: false });
    if (stats === undefined)
      throw new CheckpointError(`run ${id}: has no checkpoint of step ${step} any more; choose another one`);
    // A run that went on from before may have saved the step again.
    const key = [kind, id, step, stats.size, stats.mtimeMs].join(" ");
    const known = this.#held.get(key);
    if (known !== undefined) {
      this.#held.delete(key);
      this.#held.set(key, known);
      return known;
    }
    checkMemory(`checkpoint of ${stats.size} bytes, twice`, 2 * stats.size);
    await this.#makeRoom(stats.size);
    const made = await open(store, run, step, stats.size);
    this.#held.set(key, made);
    return made;
  }

  async #makeRoom(bytes: number): Promise<void> {
    const sum = () => [...this.#held.values()].reduce((total, held) => total + held.bytes, 0);
    for (const [key, held] of this.#held) {
      if (this.#held.size < mostHeld && sum() + bytes <= memoryLimit().bytes / 2) return;
      this.#held.delete(key);
      await held.dispose();
    }
  }
}

/** As the run was trained, with no more threads than there are cores. */
async function placementOf({ threads, device }: EnginePlacement): Promise<EnginePlacement> {
  const placement = await settledPlacement({ ...(device === undefined ? {} : { device }) }, () => {});
  return threads === undefined ? placement : { ...placement, threads: usableThreads(threads) };
}

async function openText(store: RunStore, run: RunRecord, step: number, bytes: number): Promise<HeldText> {
  const checkpoint = openCheckpoint(store, run, step);
  const config = parseLanguageConfig(parseConfig(checkpoint.sidecar.config));
  const { model, tokenizer, params } = await textModelOf(config, checkpoint);
  const placement = await placementOf(config.training);
  const generator = new Generator(model, tokenizer, placement);
  const attention = attentionProgram(model, placement);
  return {
    kind: "text",
    model,
    tokenizer,
    params: await toDevice(params, placement),
    generator,
    attention,
    bytes,
    async dispose() {
      await generator.dispose();
      await attention.dispose();
    },
  };
}

async function openImages(store: RunStore, run: RunRecord, step: number, bytes: number): Promise<HeldImages> {
  const { model, config } = await loadImageModel(store, run, step);
  const codec = new ImageCodec(model, await placementOf(config.training));
  return { kind: "images", codec, bytes, dispose: () => codec.dispose() };
}
