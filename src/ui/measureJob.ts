import type { ChildProcess } from "node:child_process";
import { ConfigError } from "../errors.ts";
import type { MeasureJobView } from "./views.ts";

/** What a measurement is asked to do; the command has its defaults. */
export interface MeasureQuestion {
  readonly run: string;
  readonly step: number;
  readonly samples?: number | undefined;
  readonly probes?: number | undefined;
}

/**
 * Starts a measurement in a process of its own, which sends `{ done, total }` through a channel, says in the last line of its standard error why it
 * failed, and ends when the channel is cut.
 */
export type LaunchMeasurement = (question: MeasureQuestion) => ChildProcess;

/** The last characters of what a command says of an error. */
const keptErrors = 4000;

/** Runs measurements beside the server, one at a time; it ends with the server. */
export class MeasureJob implements AsyncDisposable {
  readonly #launch: LaunchMeasurement | null;
  #child: ChildProcess | null = null;
  #ended: Promise<void> = Promise.resolve();
  #view: MeasureJobView | null = null;
  #version = 0;

  /** @param launch - null for a server that can't measure */
  constructor(launch: LaunchMeasurement | null) {
    this.#launch = launch;
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

  /** @throws ConfigError while another one runs, or where nothing is measured */
  start(question: MeasureQuestion): void {
    const { run, step } = question;
    if (this.#view?.status === "running")
      throw new ConfigError(
        `measure: step ${this.#view.step} of run ${this.#view.run} is being measured; expected one at a time: wait, or stop it`,
      );
    if (this.#launch === null) throw new ConfigError("measure: this server measures nothing");
    const child = this.#launch(question);
    this.#child = child;
    this.#view = { run, step, done: 0, total: null, status: "running", message: null };
    this.#version++;
    let errors = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      errors = (errors + text).slice(-keptErrors);
    });
    child.on("message", (message) => {
      if (this.#child !== child || this.#view?.status !== "running") return;
      const { done, total } = message as { done: number; total: number };
      this.#change({ done, total });
    });
    this.#ended = new Promise((resolve) => {
      const end = (change: Partial<MeasureJobView>) => {
        if (this.#view?.status === "running") this.#change(change);
        this.#child = null;
        resolve();
      };
      // Of a process that couldn't be started, or can't be reached any more.
      child.on("error", (error) => {
        child.kill("SIGKILL");
        end({ status: "failed", message: error.message });
      });
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
