import { type ChildProcess, fork } from "node:child_process";
import { rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { EngineError } from "../compile/index.ts";
import { makeTemporaryFolder } from "../data/index.ts";
import type { TrainTrial, TrainTrialResult } from "./trainTrial.ts";

const workerFile = fileURLToPath(new URL(`./trialWorker${path.extname(import.meta.url)}`, import.meta.url));

/** What a worker answers. */
type Reply = { readonly result: TrainTrialResult } | { readonly error: string };

function answer(worker: ChildProcess, message: object): Promise<Reply> {
  return new Promise((resolve) => {
    const ended = (code: number | null, signal: string | null) =>
      resolve({ error: `its process ended with ${signal ?? `code ${code}`}` });
    worker.once("exit", ended);
    worker.once("message", (reply: Reply) => {
      worker.off("exit", ended);
      resolve(reply);
    });
    worker.send(message);
  });
}

/**
 * Trains trials in processes of one thread each: two small models beside each other are done sooner than one after the other on
 * two threads, and a result doesn't depend on how many processes there are.
 */
export class TrialPool implements Disposable {
  /** Folder of the token cache, deleted with the pool. */
  readonly home = makeTemporaryFolder(path.join(tmpdir(), "rotor-trials-"));
  readonly #size: number;
  readonly #workers: ChildProcess[] = [];
  readonly #idle: ChildProcess[] = [];
  readonly #waiting: ((worker: ChildProcess) => void)[] = [];

  /** @param size - processes; by default one per core */
  constructor(size: number = availableParallelism()) {
    this.#size = size;
  }

  #worker(): ChildProcess | Promise<ChildProcess> {
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    if (this.#workers.length === this.#size) return new Promise((resolve) => this.#waiting.push(resolve));
    const worker = fork(workerFile, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    this.#workers.push(worker);
    return worker;
  }

  /** @throws EngineError if the trial can't be run or its process dies; the pool is of no use then */
  async run(trial: TrainTrial): Promise<TrainTrialResult> {
    const worker = await this.#worker();
    const reply = await answer(worker, { trial, home: this.home });
    if ("error" in reply) throw new EngineError(`trial ${JSON.stringify(trial)}: ${reply.error}`);
    const next = this.#waiting.shift();
    if (next === undefined) this.#idle.push(worker);
    else next(worker);
    return reply.result;
  }

  [Symbol.dispose](): void {
    for (const worker of this.#workers) worker.kill();
    // A worker may still write its cache until the signal reaches it.
    rmSync(this.home, { recursive: true, force: true, maxRetries: 5 });
  }
}
