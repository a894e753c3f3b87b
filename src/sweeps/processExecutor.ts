import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { type Device, EngineError } from "../compile/index.ts";
import type { TrainConfig } from "../config/index.ts";
import type { Attempt, TrialExecutor } from "./trialExecutor.ts";
import type { Reply, Request } from "./trialProcess.ts";
import type { Claim, TrialProgress } from "./trialStore.ts";

const processFile = fileURLToPath(new URL(`./trialProcess${path.extname(import.meta.url)}`, import.meta.url));

export interface ProcessExecutorOptions {
  /** Folder of the run store. */
  readonly home: string;
  /** Threads of one operator; null for what each configuration says. */
  readonly threads: number | null;
  /** Where trials run; by default as each configuration says. */
  readonly device?: Device;
  /** Folder or `s3://` URL of shared checkpoints; null for none. */
  readonly shared: string | null;
}

/** Runs trials in a process of its own, which stays for the next trial and is started anew when it dies. */
export class ProcessExecutor implements TrialExecutor {
  readonly #options: ProcessExecutorOptions;
  #child: ChildProcess | null = null;

  constructor(options: ProcessExecutorOptions) {
    this.#options = options;
  }

  /** The process; one that ended, also while it had nothing to do, is followed by a new one. */
  #started(): ChildProcess {
    if (this.#child !== null) return this.#child;
    const child = fork(processFile, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    child.once("exit", () => {
      if (this.#child === child) this.#child = null;
    });
    this.#child = child;
    return child;
  }

  /** Sends a request and waits for its answer. */
  #ask(request: Request, onProgress: (progress: TrialProgress) => void = () => {}): Promise<Reply> {
    const child = this.#started();
    return new Promise((resolve) => {
      const finish = (reply: Reply) => {
        child.off("message", onMessage);
        child.off("exit", onExit);
        resolve(reply);
      };
      const onMessage = (reply: Reply) => {
        if (reply.kind === "progress") onProgress(reply.progress);
        else finish(reply);
      };
      const onExit = (code: number | null, signal: string | null) => {
        finish({ kind: "error", message: `its process ended with ${signal ?? `code ${code}`}` });
      };
      child.on("message", onMessage);
      child.once("exit", onExit);
      child.send(request, (error) => {
        if (error === null) return;
        child.kill("SIGKILL");
        finish({ kind: "error", message: `its process can't be reached: ${error.message}` });
      });
    });
  }

  async run(
    { trial, definition, fence }: Claim,
    onProgress: (progress: TrialProgress) => void,
    signal: AbortSignal,
  ): Promise<Attempt> {
    const stop = () => this.#child?.connected && this.#child.send({ kind: "stop" } satisfies Request);
    const order = {
      ...this.#options,
      trialId: trial.id,
      fence,
      config: trial.config,
      earlyStop: definition.earlyStop,
    };
    const reply = this.#ask({ kind: "run", order }, onProgress);
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop);
    try {
      const answer = await reply;
      if (answer.kind === "attempt") {
        // The next trial gets a process of its own, which opens the device anew.
        if (answer.attempt.kind === "broken" && answer.attempt.isSpent) await this.#end();
        return answer.attempt;
      }
      return { kind: "broken", message: answer.kind === "error" ? answer.message : "has no result" };
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  /** Compiles and warms up a training step in the process. @returns the seconds that took; @throws EngineError if it fails */
  async prepareTiming(config: TrainConfig, threads: number): Promise<number> {
    const reply = await this.#ask({ kind: "prepare", config, home: this.#options.home, threads });
    if (reply.kind !== "prepared")
      throw new EngineError(`timing: ${reply.kind === "error" ? reply.message : "isn't prepared"}`);
    return reply.seconds;
  }

  /** Steps per second of the prepared step. @throws EngineError if that fails */
  async measure(seconds: number): Promise<number> {
    const reply = await this.#ask({ kind: "measure", seconds });
    if (reply.kind !== "measured")
      throw new EngineError(`timing: ${reply.kind === "error" ? reply.message : "has no result"}`);
    return reply.stepsPerSecond;
  }

  kill(): void {
    this.#child?.kill("SIGKILL");
  }

  /** Ends the process and waits until it is gone. */
  async #end(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null) return;
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#end();
  }
}
