import { cpSync, existsSync, rmSync } from "node:fs";
import path from "node:path";
import { checkpointSteps, frozenFile, loadCheckpoint } from "../checkpoint/index.ts";
import { makeFolder, ownerTag } from "../data/index.ts";
import { CheckpointError } from "../errors.ts";
import { checkIdentifier, type MetricRow, RunStore, readMetricLog } from "../runs/index.ts";
import { version } from "../version.ts";
import type { SharedFiles } from "./sharedFiles.ts";

const stepName = (step: number) => `step-${String(step).padStart(8, "0")}`;
const sidecarPattern = /^(.*\/)(\d+)\/step-(\d+)\.json$/;

/**
 * Checkpoints of trials in shared files, under `<trial>/<fence>/`. Each claim of a trial writes beside the others, so that a worker
 * that lost its claim can't spoil a checkpoint. The tensors and the log go first and the sidecar last: only it makes a checkpoint valid.
 */
export class SharedCheckpoints {
  readonly #files: SharedFiles;

  constructor(files: SharedFiles) {
    this.#files = files;
  }

  /** Copies the checkpoint of a step from a run's folder, and deletes older ones of this claim and of those before. */
  async save(trialId: string, fence: number, runDirectory: string, step: number): Promise<void> {
    checkIdentifier(trialId, "trial");
    const base = path.join(runDirectory, "checkpoints", stepName(step));
    const prefix = `${trialId}/${fence}/${stepName(step)}`;
    const before = (await this.#files.list(`${trialId}/`)).filter((name) => {
      const owner = Number(name.slice(trialId.length + 1).split("/")[0]);
      // NaN for what all claims share.
      return owner <= fence && !name.startsWith(`${prefix}.`);
    });
    // Pruned while it waited for its turn: a newer one follows.
    if (!existsSync(`${base}.json`)) return;
    const frozen = path.join(runDirectory, frozenFile);
    const shared = `${trialId}/${frozenFile}`;
    // Whatever the claim, a trial begins with the same.
    if (existsSync(frozen) && !(await this.#files.list(`${trialId}/`)).includes(shared))
      await this.#files.put(shared, frozen);
    await this.#files.put(`${prefix}.safetensors`, `${base}.safetensors`);
    const log = path.join(runDirectory, "metrics.jsonl");
    if (existsSync(log)) await this.#files.put(`${prefix}.metrics.jsonl`, log);
    await this.#files.put(`${prefix}.json`, `${base}.json`);
    // Sidecars first: what is left of a checkpoint that is half deleted doesn't count as one.
    for (const name of before.sort((a, b) => Number(b.endsWith(".json")) - Number(a.endsWith(".json"))))
      await this.#files.delete(name);
  }

  /** Step of the newest checkpoint, or null. */
  async newestStep(trialId: string): Promise<number | null> {
    return (await this.#sidecars(trialId))[0]?.step ?? null;
  }

  async #sidecars(trialId: string): Promise<{ prefix: string; step: number }[]> {
    const names = await this.#files.list(`${checkIdentifier(trialId, "trial")}/`);
    return names
      .flatMap((name) => {
        const match = sidecarPattern.exec(name);
        return match === null
          ? []
          : [{ prefix: name.slice(0, -".json".length), fence: Number(match[2]), step: Number(match[3]) }];
      })
      .sort((a, b) => b.step - a.step || b.fence - a.fence);
  }

  /**
   * Makes a run of the newest checkpoint that can be read, in this machine's run store.
   *
   * @returns the run, or null if there is no checkpoint
   */
  async restore(trialId: string, home: string): Promise<{ runId: string; step: number } | null> {
    for (const { prefix, step } of await this.#sidecars(trialId)) {
      using store = new RunStore(home);
      const scratch = path.join(home, "cache", `restore-${ownerTag()}`);
      try {
        const folder = path.join(scratch, "checkpoints");
        makeFolder(folder);
        const local = path.join(folder, stepName(step));
        for (const extension of ["safetensors", "json"])
          await this.#files.get(`${prefix}.${extension}`, `${local}.${extension}`);
        const frozen = `${trialId}/${frozenFile}`;
        if ((await this.#files.list(`${trialId}/`)).includes(frozen))
          await this.#files.get(frozen, path.join(scratch, frozenFile));
        const { sidecar } = loadCheckpoint(scratch, step);
        const metrics = await this.#metrics(prefix, path.join(scratch, "metrics.jsonl"));
        const { name } = sidecar.config as { name: string };
        const run = store.createRun({
          name,
          config: sidecar.config,
          seed: sidecar.seed,
          codeVersion: version,
          trial: trialId,
        });
        store.appendMetrics(run.id, metrics);
        cpSync(scratch, run.directory, { recursive: true });
        return { runId: run.id, step };
      } catch (error) {
        // Deleted between the list and the copy, or damaged: the one before, or a new beginning.
        if (!(error instanceof CheckpointError)) throw error;
      } finally {
        rmSync(scratch, { recursive: true, force: true });
      }
    }
    return null;
  }

  /** Copies the log that belongs to a checkpoint, if there is one, and reads it. */
  async #metrics(prefix: string, file: string): Promise<MetricRow[]> {
    const name = `${prefix}.metrics.jsonl`;
    if (!(await this.#files.list(`${path.posix.dirname(name)}/`)).includes(name)) return [];
    await this.#files.get(name, file);
    return readMetricLog(file).rows;
  }

  /** Deletes the checkpoints of a trial that has ended. */
  async forget(trialId: string): Promise<void> {
    checkIdentifier(trialId, "trial");
    for (const name of await this.#files.list(`${trialId}/`)) await this.#files.delete(name);
  }
}

/** The step of a run's newest checkpoint on this machine; null if the run isn't here or has none. */
export function localStep(home: string, runId: string): number | null {
  const directory = path.join(home, "runs", runId);
  return checkpointSteps(directory).at(-1) ?? null;
}
