import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { ConfigError, RotorError } from "../../errors.ts";
import { isClone } from "../pageFiles.ts";
import type { FromModel, ModelAnswers, ModelQuestion, ToModel } from "./modelQuestion.ts";

const modelProgram = fileURLToPath(new URL(isClone ? "modelProcess.ts" : "modelProcess.js", import.meta.url));

/** Questions that may wait behind the one that is being answered. */
const mostWaiting = 8;
/** Milliseconds after which a model that nobody asks is given up, with its memory. */
const defaultIdle = 5 * 60_000;

/** What was asked wrongly stays so. */
const errorOf = ({ code, message }: { readonly code: string; readonly message: string }) =>
  code === "ROTOR_CONFIG" ? new ConfigError(message) : new RotorError(code, message);

interface Pending {
  readonly id: number;
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

/** Nobody waits for the answer any more. */
export class GoneError extends RotorError {
  constructor() {
    super("ROTOR_GONE", "the question was taken back");
  }
}

/**
 * Asks models in a process of its own: one question at a time, the others wait in their order. The process begins with the first question, holds the
 * models that were used last, and ends when it is idle, with the server, or however it must: the server goes on.
 */
export class ModelHost implements AsyncDisposable {
  readonly #home: string;
  readonly #idle: number;
  readonly #program: string;
  #child: ChildProcess | null = null;
  #pending: Pending | null = null;
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();
  #timer: NodeJS.Timeout | null = null;
  #count = 0;
  #isClosed = false;

  constructor(
    home: string,
    {
      idle = defaultIdle,
      program = modelProgram,
    }: { readonly idle?: number /** What the process runs. */; readonly program?: string } = {},
  ) {
    this.#home = home;
    this.#idle = idle;
    this.#program = program;
  }

  /** Whether the process is there. */
  get isUp(): boolean {
    return this.#child !== null;
  }

  /**
   * @param signal - whoever asked is gone: a question that waits is dropped, one that is being answered is cancelled
   * @throws RotorError as the model; if too many wait; or if the process ended, as for want of memory
   */
  async ask<Q extends ModelQuestion>(question: Q, signal: AbortSignal): Promise<ModelAnswers[Q["kind"]]> {
    if (this.#waiting > mostWaiting)
      throw new RotorError(
        "ROTOR_BUSY",
        `model: ${this.#waiting} questions wait already; expected at most ${mostWaiting}`,
      );
    this.#waiting++;
    const mine = this.#last.then(() => {
      if (signal.aborted || this.#isClosed) throw new GoneError();
      return this.#send(question, signal);
    });
    this.#last = mine.catch(() => {}).finally(() => this.#waiting--);
    return (await mine) as ModelAnswers[Q["kind"]];
  }

  #send(question: ModelQuestion, signal: AbortSignal): Promise<unknown> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    const child = this.#started();
    const id = this.#count++;
    const post = (message: ToModel) => void (child.connected && child.send(message));
    const cancel = () => post({ id, cancel: true });
    return new Promise((resolve, reject) => {
      this.#pending = { id, resolve, reject };
      signal.addEventListener("abort", cancel, { once: true });
      post({ id, question });
    }).finally(() => {
      signal.removeEventListener("abort", cancel);
      this.#pending = null;
      this.#timer = setTimeout(() => this.#end(), this.#idle).unref();
    });
  }

  #started(): ChildProcess {
    if (this.#child !== null) return this.#child;
    const child = fork(this.#program, [this.#home], {
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      serialization: "advanced",
      execArgv: [],
    });
    let errors = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      errors = (errors + text).slice(-2000);
    });
    child.on("message", (message) => {
      const reply = message as FromModel;
      if (this.#pending?.id !== reply.id) return;
      if ("answer" in reply) this.#pending.resolve(reply.answer);
      else this.#pending.reject(errorOf(reply.error));
    });
    const end = (why: string) => {
      if (this.#child !== child) return;
      this.#child = null;
      const line = errors.trim().split("\n").at(-1) ?? "";
      this.#pending?.reject(
        new RotorError(
          "ROTOR_MODEL_ENDED",
          `model: its process ended (${line === "" ? why : line}), maybe for want of memory; the next question begins a new one`,
        ),
      );
    };
    child.on("error", (error) => {
      child.kill("SIGKILL");
      end(error.message);
    });
    child.once("close", (code, signal) => end(String(signal ?? code)));
    this.#child = child;
    return child;
  }

  #end(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null) return Promise.resolve();
    this.#pending?.reject(new GoneError());
    return new Promise((resolve) => {
      child.once("close", () => resolve());
      child.kill("SIGKILL");
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#end();
  }
}
