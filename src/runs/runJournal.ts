import { DatabaseAwayError } from "../errors.ts";
import { MetricLog, type MetricRow } from "./metricLog.ts";
import { type Patience, patiently } from "./patiently.ts";
import { appendRunEvents, type RunEvent } from "./runEvents.ts";
import type { RunRecord, RunStatus } from "./runRecord.ts";
import type { RunStore } from "./runStore.ts";
import { busyMilliseconds } from "./sqliteDatabase.ts";

type WithoutTime<E> = E extends RunEvent ? Omit<E, "time"> : never;
type EventWithoutTime = WithoutTime<RunEvent>;

/**
 * What a trainer writes down of its run. While another process has the store locked, training goes on: metrics are in `metrics.jsonl` at once
 * and wait in memory for the store.
 */
export class RunJournal {
  readonly #store: RunStore;
  readonly #run: RunRecord;
  readonly #log: MetricLog;
  readonly #patience: Patience;
  /** Neither in the log nor in the store. */
  #pending: MetricRow[] = [];
  /** In the log, but not in the store. */
  #waiting: MetricRow[] = [];
  /** Not yet in the run's folder. */
  #events: RunEvent[] = [];
  /** Seals of checkpoints that the store doesn't know yet, by their steps. */
  readonly #seals = new Map<number, string>();
  #isAway = false;

  constructor(store: RunStore, run: RunRecord, patience: Patience) {
    this.#store = store;
    this.#run = run;
    this.#log = new MetricLog(run.directory);
    // A person who stops a training wants what it did to be kept; a second Ctrl-C ends it at once.
    this.#patience = { ...patience, signal: undefined };
  }

  /** Notes metrics of a step. NaN, which the store can't hold, is left out. */
  record(step: number, values: Readonly<Record<string, number>>): void {
    for (const [name, value] of Object.entries(values))
      if (!Number.isNaN(value)) this.#pending.push({ step, name, value });
  }

  /** Notes what happened, for whoever looks at the run; it is written with the metrics. */
  event(event: EventWithoutTime): void {
    this.#events.push({ ...event, time: new Date().toISOString() });
  }

  /** Notes a checkpoint that was saved, and writes what waits. */
  checkpoint(step: number, seal: string): void {
    this.event({ kind: "checkpoint", step });
    this.#seals.set(step, seal);
    this.flush();
  }

  /**
   * Writes what was noted since the last call.
   *
   * @throws RunStoreError naming the file if the log can't be written
   */
  flush(): void {
    this.#log.append(this.#pending);
    this.#waiting.push(...this.#pending);
    this.#pending = [];
    appendRunEvents(this.#run.directory, this.#events);
    this.#events = [];
    if (this.#waiting.length === 0 && this.#seals.size === 0) return;
    try {
      if (this.#waiting.length > 0) this.#store.appendMetrics(this.#run.id, this.#waiting);
      this.#waiting = [];
      for (const [step, seal] of this.#seals) {
        this.#store.recordCheckpoint(this.#run.id, step, seal);
        this.#seals.delete(step);
      }
      this.#setAway(false);
    } catch (error) {
      if (!(error instanceof DatabaseAwayError)) throw error;
      if (!this.#isAway)
        this.#patience.onNote?.(`${error.message}; training goes on, and its metrics wait for the store`);
      this.#setAway(true);
    }
  }

  /** A store that is away is not waited for after every few steps. */
  #setAway(isAway: boolean): void {
    if (this.#isAway === isAway) return;
    this.#isAway = isAway;
    this.#store.waitAtMost(isAway ? 0 : busyMilliseconds);
    if (!isAway) this.#patience.onNote?.("the store is back, and has the metrics that waited");
  }

  /** Forgets what is later than a step, which is computed again. */
  async truncate(afterStep: number): Promise<void> {
    await patiently(() => this.#store.truncateMetrics(this.#run.id, afterStep), this.#patience);
    this.#log.truncate(afterStep);
  }

  /** Writes what is left, and what became of the run. @throws DatabaseAwayError if the store stays away; the folder has all of it then */
  async end(status: RunStatus, message: string | null, summary?: RunRecord["summary"]): Promise<void> {
    this.event({ kind: "end", step: summary?.step ?? null, status, message });
    this.flush();
    await patiently(() => {
      this.#store.setStatus(this.#run.id, status, message, summary);
      this.flush();
      if (this.#isAway) throw new DatabaseAwayError(`run ${this.#run.id}: its metrics wait for the store`);
    }, this.#patience);
  }
}
