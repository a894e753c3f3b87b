import { stepSize } from "../config/index.ts";
import type { SweepRecord, TrialProgress, TrialRecord } from "../sweeps/index.ts";
import { visibleLine } from "../visibleText.ts";
import { duration } from "./format.ts";
import { control, print } from "./print.ts";
import { style } from "./style.ts";
import { stateText, trialText } from "./sweepTable.ts";

/** Rows of the live table besides the running trials. */
const lastShown = 6;

/** Tokens or images that a trial sees: what its time is proportional to, nearly. */
const work = ({ config }: TrialRecord): number => config.training.steps * stepSize(config).items;

function doneShare({ outcome, progress }: TrialRecord): number {
  if (outcome !== null) return 1;
  return progress === null ? 0 : progress.step / progress.numSteps;
}

/**
 * Shows a sweep to a person: a live table on a terminal, one line per trial that has ended elsewhere. The estimated end rests on the work
 * done since this process began, in tokens.
 */
export class SweepProgress {
  readonly #output: NodeJS.WritableStream;
  readonly #live: boolean;
  readonly #now: () => number;
  readonly #begin: number;
  readonly #local = new Map<string, TrialProgress>();
  readonly #seen = new Set<string>();
  #doneBefore: number | null = null;
  #linesOpen = 0;

  /** @param now - in milliseconds */
  constructor(output: NodeJS.WritableStream, live: boolean, now: () => number = Date.now) {
    this.#output = output;
    this.#live = live;
    this.#now = now;
    this.#begin = now();
  }

  /** Takes the progress of a trial of this process, which the store learns only with the next heartbeat. */
  local(trialId: string, progress: TrialProgress): void {
    this.#local.set(trialId, progress);
  }

  /** Takes the state of the store. */
  show(sweep: SweepRecord, stored: readonly TrialRecord[]): void {
    const trials = stored.map((trial) => ({
      ...trial,
      progress: this.#local.get(trial.id) ?? trial.progress,
    }));
    const isFirst = this.#doneBefore === null;
    const ended = trials.filter(({ outcome }) => outcome !== null);
    this.#doneBefore ??= trials.reduce((sum, trial) => sum + work(trial) * doneShare(trial), 0);
    const fresh = ended.filter(({ id }) => !this.#seen.has(id));
    for (const { id } of fresh) this.#seen.add(id);
    const count = `${ended.length}/${trials.length}`;
    const left = this.#left(trials);
    if (!this.#live) {
      if (isFirst && ended.length > 0) this.line(`${count} trials have ended already`);
      else
        for (const trial of fresh)
          this.line(visibleLine(`trial ${trial.number}  ${trialText(sweep, trial)}  ${stateText(trial)}`));
      if (!isFirst && fresh.length > 0) this.line(`${count} trials${left}`);
      return;
    }
    const running = trials.filter(({ status }) => status === "running");
    const rows = [...ended.slice(-lastShown), ...running].map((trial) => {
      const text = visibleLine(
        `${String(trial.number).padStart(String(trials.length).length)}  ${trialText(sweep, trial)}  ${stateText(trial)}`,
      );
      const width = (this.#output as NodeJS.WriteStream).columns ?? 80;
      const cut = text.length > width - 1 ? `${text.slice(0, width - 2)}…` : text;
      if (trial.outcome === null) return style.dim(cut);
      return trial.outcome.status === "finished" ? cut : style.yellow(cut);
    });
    this.#redraw([...rows, style.bold(`${count} trials${left}`)]);
  }

  #left(trials: readonly TrialRecord[]): string {
    const elapsed = (this.#now() - this.#begin) / 1000;
    const total = trials.reduce((sum, trial) => sum + work(trial), 0);
    const done = trials.reduce((sum, trial) => sum + work(trial) * doneShare(trial), 0);
    const rate = (done - this.#doneBefore!) / elapsed;
    if (done === total || !(rate > 0)) return `, ${duration(elapsed)}`;
    const rest = (total - done) / rate;
    const end = new Date(this.#now() + 1000 * rest);
    const clock = `${String(end.getHours()).padStart(2, "0")}:${String(end.getMinutes()).padStart(2, "0")}`;
    return `, ${duration(elapsed)}, about ${duration(rest)} left, until ${clock}`;
  }

  /** Writes a line that stays. */
  line(text: string): void {
    this.#clear();
    print(`${text}\n`, this.#output);
  }

  #clear(): void {
    if (this.#linesOpen > 0) print(control(`\x1b[${this.#linesOpen}A\x1b[J`), this.#output);
    this.#linesOpen = 0;
  }

  #redraw(lines: readonly string[]): void {
    this.#clear();
    print(`${lines.join("\n")}\n`, this.#output);
    this.#linesOpen = lines.length;
  }
}
