import type { ServerResponse } from "node:http";
import type { UiContext } from "./context.ts";

/** Milliseconds between looks at the stores; only while somebody listens. */
const interval = 250;
/** Milliseconds between two changes that are told: a trainer that writes ten times a second isn't followed at each of them. */
const pause = 500;
/** Milliseconds after which a quiet connection says that it is there. */
const quiet = 15_000;

/** What pages are told of. */
const subjects = ["runs", "sweeps", "measurements"] as const;

/** Tells every open page, by server-sent events, that the runs, the sweeps or the measurements have changed. */
export class Changes implements Disposable {
  readonly #context: UiContext;
  readonly #listeners = new Set<ServerResponse>();
  #timer: NodeJS.Timeout | null = null;
  #last: ReturnType<UiContext["stamp"]> | null = null;
  readonly #counts = { runs: 0, sweeps: 0, measurements: 0 };
  #saidAt = 0;

  constructor(context: UiContext) {
    this.#context = context;
  }

  listen(response: ServerResponse): void {
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    this.#listeners.add(response);
    this.#last ??= this.#context.stamp();
    response.write(this.#message());
    response.on("close", () => {
      this.#listeners.delete(response);
      if (this.#listeners.size > 0 || this.#timer === null) return;
      clearInterval(this.#timer);
      this.#timer = null;
      this.#last = null;
    });
    this.#timer ??= setInterval(() => this.#look(), interval);
  }

  #message(): string {
    return `data: ${JSON.stringify(this.#counts)}\n\n`;
  }

  #look(): void {
    void this.#context.lookAtDatabase();
    const silence = performance.now() - this.#saidAt;
    const now = this.#context.stamp();
    const before = this.#last ?? now;
    const changed = subjects.filter((subject) => now[subject] !== before[subject]);
    if (changed.length > 0) {
      // Told at one of the next looks.
      if (silence < pause) return;
      this.#last = now;
      for (const subject of changed) this.#counts[subject]++;
      this.#say(this.#message());
    } else if (silence > quiet) this.#say(": here\n\n");
  }

  #say(text: string): void {
    this.#saidAt = performance.now();
    for (const response of this.#listeners) response.write(text);
  }

  [Symbol.dispose](): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    for (const response of this.#listeners) response.end();
    this.#listeners.clear();
  }
}
