/** What became of a run, by the word for it. `"stopped"`: it was ended by someone, or goes on; its last loss isn't its result. */
export type Outcome = "finished" | "failed" | "stopped" | "diverged";

const outcomes: Readonly<Record<Outcome, readonly string[]>> = {
  finished: [
    // W&B, MLflow, Optuna, Ray, Slurm, Kubernetes, people
    "finished",
    "complete",
    "completed",
    "success",
    "successful",
    "succeeded",
    "done",
    "terminated",
    "ok",
    "okay",
    "good",
    "passed",
    "pass",
    "ended",
    "exited",
    "finish",
    "true",
    "yes",
    "y",
    "1",
    "converged",
    "early_stopped",
    "early stopped",
    "✓",
    "✔",
    "✅",
    "完成",
    "成功",
  ],
  failed: [
    "failed",
    "fail",
    "failure",
    "error",
    "errored",
    "crashed",
    "crash",
    "out_of_memory",
    "oom",
    "oomkilled",
    "oom killed",
    "timeout",
    "timed out",
    "timed_out",
    "node_fail",
    "boot_fail",
    "deadline",
    "evicted",
    "crashloopbackoff",
    "aborted",
    "broken",
    "bad",
    "false",
    "no",
    "n",
    "0",
    "lost",
    "dead",
    "exception",
    "✗",
    "✘",
    "❌",
    "失败",
  ],
  stopped: [
    "running",
    "pending",
    "killed",
    "stopped",
    "cancelled",
    "canceled",
    "preempted",
    "preempting",
    "pruned",
    "queued",
    "waiting",
    "scheduled",
    "created",
    "paused",
    "suspended",
    "requeued",
    "completing",
    "configuring",
    "resizing",
    "staged",
    "unknown",
    "interrupted",
    "revoked",
    "submitted",
    "starting",
    "started",
    "in progress",
    "in_progress",
    "active",
    "incomplete",
    "unfinished",
    "skipped",
    "containercreating",
    "resumed",
    "terminating",
    "early_terminated",
    "运行中",
  ],
  diverged: [
    "diverged",
    "nan",
    "inf",
    "unstable",
    "exploded",
    "blew up",
    "blew_up",
    "overflow",
    "diverge",
    "divergence",
    "发散",
  ],
};

const byWord = new Map(
  (Object.entries(outcomes) as [Outcome, readonly string[]][]).flatMap(([outcome, words]) =>
    words.map((word) => [word, outcome] as const),
  ),
);

/** Names of columns that hold what became of a run. */
export const statusNames = [
  "state",
  "status",
  "run_state",
  "run_status",
  "job_state",
  "job_status",
  "trial_state",
  "trial_status",
  "phase",
  "outcome",
  "finished",
  "completed",
  "状态",
];

/** Names of columns that hold the code a process ended with: 0 is a success. */
export const exitNames = ["exit_code", "exitcode", "exit_status", "returncode", "return_code", "rc"];

/**
 * The outcome that a word stands for, case and what schedulers put around it aside (`CANCELLED by 1000`, `TrialState.COMPLETE`, `CANCELLED+`);
 * null for a word that isn't known.
 */
export function outcomeOf(word: string): Outcome | null {
  const plain = word
    .trim()
    .toLowerCase()
    .replace(/^\w+state\./, "")
    .replace(/^runstatus\./, "")
    .replace(/\+$/, "")
    .trim();
  const known =
    byWord.get(plain) ??
    byWord.get(plain.replace(/ by \S+$/, "")) ??
    byWord.get(plain.split(/[:(,;]/)[0]!.trim());
  if (known !== undefined) return known;
  const exit = /^(?:exit(?:ed)?(?: code)?[ :=(]*)(\d+)/.exec(plain);
  if (exit !== null) return exit[1] === "0" ? "finished" : "failed";
  return null;
}

/** What stands where a loss should be. `"diverged"` says that the loss was no number, the others say nothing of it. */
export type LossMark = "diverged" | "out of memory" | "none";

const marks: Readonly<Record<LossMark, readonly string[]>> = {
  diverged: [
    "nan",
    "inf",
    "+inf",
    "-inf",
    "infinity",
    "+infinity",
    "-infinity",
    "∞",
    "+∞",
    "-nan",
    "+nan",
    ".nan",
    ".inf",
    "+.inf",
    "-.inf",
    "#num!",
    "#div/0!",
    "#value!",
    "overflow",
    "diverged",
    "diverge",
    "div",
    "div.",
    "unstable",
    "exploded",
    "blew up",
    "发散",
  ],
  "out of memory": ["oom", "out of memory", "out_of_memory", "cuda oom", "cuda out of memory"],
  none: [
    "",
    "none",
    "null",
    "na",
    "n/a",
    "#n/a",
    "nil",
    "undefined",
    "-",
    "--",
    "---",
    "–",
    "—",
    "?",
    ".",
    "x",
    "✗",
    "✘",
    "❌",
    "missing",
    "failed",
    "fail",
    "failure",
    "crashed",
    "crash",
    "error",
    "timeout",
    "killed",
    "<na>",
    "nat",
    "无",
  ],
};

const markByWord = new Map(
  (Object.entries(marks) as [LossMark, readonly string[]][]).flatMap(([mark, words]) =>
    words.map((word) => [word, mark] as const),
  ),
);

/** Losses beyond this are an overflow that someone wrote down: the largest float32 and the largest float64 among them. */
export const overflow = 1e38;

export function lossMark(text: string): LossMark | null {
  const plain = text.trim().toLowerCase();
  return markByWord.get(plain) ?? (/^[+-]?1\.#\w+$/.test(plain) ? "diverged" : null);
}
