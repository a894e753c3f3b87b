import { existsSync, lstatSync, readdirSync, statSync } from "node:fs";
import path from "node:path";
import { removeInside } from "../runs/index.ts";
import { checkpointSteps, isIntact } from "./checkpoint.ts";

const folderName = "checkpoints";

const filesOf = (step: number) =>
  // The sidecar first: without it, what is left is no checkpoint.
  ["json", "safetensors"].map((ending) => `step-${String(step).padStart(8, "0")}.${ending}`);

/** Keeps the newest checkpoints of a run, and the best one. */
export class CheckpointPruner {
  readonly #runDirectory: string;
  readonly #keep: number;
  /** Sizes and times of the files that were found intact: what hasn't changed isn't read again. */
  readonly #intact = new Map<number, string>();

  /** @param keep - number of intact checkpoints that stay besides the best; damaged ones don't count */
  constructor(runDirectory: string, keep: number) {
    this.#runDirectory = runDirectory;
    this.#keep = keep;
  }

  #signature(step: number): string {
    return filesOf(step)
      .map((name) => path.join(this.#runDirectory, folderName, name))
      .map((file) => (existsSync(file) ? statSync(file, { bigint: true }) : null))
      .map((stat) => `${stat?.size} ${stat?.mtimeNs} ${stat?.ino}`)
      .join();
  }

  #isIntact(step: number): boolean {
    const signature = this.#signature(step);
    if (this.#intact.get(step) === signature) return true;
    if (!isIntact(this.#runDirectory, step)) return false;
    this.#intact.set(step, signature);
    return true;
  }

  /**
   * Deletes what is older than the checkpoints to keep, and what a process that was killed left behind. In a folder that is a symbolic link
   * nothing is deleted.
   *
   * @param saved - step of the checkpoint that this process has just saved
   * @param best - step of the checkpoint that stays however old it is; null for none
   */
  prune(saved: number, best: number | null): void {
    const folder = path.join(this.#runDirectory, folderName);
    if (lstatSync(folder).isSymbolicLink()) return;
    const remove = (name: string) => removeInside(this.#runDirectory, `${folderName}/${name}`);
    this.#intact.set(saved, this.#signature(saved));
    const names = new Set(readdirSync(folder));
    for (const name of names) {
      const isOrphan = name.endsWith(".safetensors") && !names.has(name.replace(/safetensors$/, "json"));
      if (isOrphan || name.endsWith(".tmp")) remove(name);
    }
    let kept = 0;
    for (const step of checkpointSteps(this.#runDirectory).reverse()) {
      if (kept < this.#keep) {
        if (this.#isIntact(step)) kept++;
      } else if (step !== best) for (const name of filesOf(step)) remove(name);
    }
  }
}
