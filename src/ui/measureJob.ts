import { type ChildProcess, fork } from "node:child_process";
import path from "node:path";
import { ConfigError } from "../errors.ts";
import { commandFile } from "./commandFile.ts";
import type { MeasureJobView } from "./views.ts";

/** What a measurement is asked to do; the command has its defaults. */
export interface MeasureQuestion {
  readonly run: string;
  readonly step: number;
  readonly samples?: number | undefined;
  readonly probes?: number | undefined;
}

/** The last characters of what a command says of an error. */
const keptErrors = 4000;

/** Runs `rotor measure` beside the server, one at a time; it ends with the server. */
export class MeasureJob implements AsyncDisposable {
  readonly #home: string;
  #child: ChildProcess | null = null;
  #ended: Promise<void> = Promise.resolve();
  #view: MeasureJobView | null = null;
  #version = 0;

  constructor(home: string) {
    this.#home = home;
  }

  /** How the last one that was started goes, or went; null before the first. */
  get view(): MeasureJobView | null {
    return this.#view;
  }

  /** Changes with the view. */
  get version(): number {
    return this.#version;
  }

  #change(change: Partial<MeasureJobView>): void {
    this.#view = { ...this.#view!, ...change };
    this.#version++;
  }

  /** @throws ConfigError while another one runs */
  start({ run, step, samples, probes }: MeasureQuestion): void {
    if (this.#view?.status === "running")
      throw new ConfigError(
        `measure: step ${this.#view.step} of run ${this.#view.run} is being measured; expected one at a time: wait, or stop it`,
      );
    const args = ["measure", run, "--checkpoint", String(step), "--home", path.resolve(this.#home), "--json"];
    if (samples !== undefined) args.push("--samples", String(samples));
    if (probes !== undefined) args.push("--probes", String(probes));
    // The channel tells of progress, and the command ends when it is cut.
    const child = fork(commandFile, args, { stdio: ["ignore", "ignore", "pipe", "ipc"], execArgv: [] });
    this.#child = child;
    this.#view = { run, step, done: 0, total: null, status: "running", message: null };
    this.#version++;
    let errors = "";
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      errors = (errors + text).slice(-keptErrors);
    });
    child.on("message", (message) => {
      const { done, total } = message as { done: number; total: number };
      this.#change({ done, total });
    });
    this.#ended = new Promise((resolve) => {
      const end = (change: Partial<MeasureJobView>) => {
        if (this.#view?.status === "running") this.#change(change);
        this.#child = null;
        resolve();
      };
      child.once("error", (error) => end({ status: "failed", message: error.message }));
      child.once("close", (code, signal) => {
        if (code === 0) return end({ status: "finished" });
        const last = errors.trim().split("\n").at(-1) ?? "";
        const said = last.replace(/^rotor: /, "");
        end({ status: "failed", message: said === "" ? `measure: ended by ${signal ?? code}` : said });
      });
    });
  }

  /** Ends what runs; what it measured so far is lost. */
  async stop(): Promise<void> {
    if (this.#child === null) return;
    this.#change({ status: "stopped" });
    this.#child.kill("SIGTERM");
    await this.#ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
