import { z } from "zod";
import { ConfigError } from "../errors.ts";
import { type BranchOptions, branchShapes } from "../optim/index.ts";
import { countOrZero } from "./numbers.ts";
import { isPlainObject, merge, type PlainObject } from "./plainObject.ts";

const share = z.number().min(0).max(1);

const warmup = {
  warmupSteps: countOrZero.exactOptional(),
  /** Of `training.steps`, in place of `warmupSteps`. */
  warmupFraction: share.exactOptional(),
  finalFraction: share.exactOptional(),
};

/** The section `schedule` of a configuration: lengths in steps, or as shares of all steps. */
export const scheduleSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("constant") }),
  z.strictObject({ kind: z.literal("warmup-cosine"), ...warmup }),
  z.strictObject({
    kind: z.literal("warmup-stable-decay"),
    ...warmup,
    decaySteps: countOrZero.exactOptional(),
    /** Of `training.steps`, in place of `decaySteps`. */
    decayFraction: share.exactOptional(),
    shape: z.enum(["linear", "sqrt"]).exactOptional(),
  }),
  /** Of runs that go on with another one's checkpoint. */
  z.strictObject({
    kind: z.literal("branch"),
    fromStep: countOrZero,
    level: z.number().gt(0),
    decaySteps: countOrZero.exactOptional(),
    finalFraction: share.exactOptional(),
    shape: z.enum(branchShapes).exactOptional(),
  }),
]);

export type ScheduleConfig = z.infer<typeof scheduleSchema>;

/** A schedule whose lengths are steps. */
export type ResolvedSchedule =
  | { readonly kind: "constant" }
  | { readonly kind: "warmup-cosine"; readonly warmupSteps: number; readonly finalFraction?: number }
  | {
      readonly kind: "warmup-stable-decay";
      readonly warmupSteps: number;
      readonly decaySteps: number;
      readonly finalFraction?: number;
      readonly shape?: "linear" | "sqrt";
    }
  | ({ readonly kind: "branch" } & Omit<BranchOptions, "peak" | "numSteps">);

/** Two ways to say one length. */
const pairs = [
  ["warmupSteps", "warmupFraction"],
  ["decaySteps", "decayFraction"],
] as const;

/** The schedule without the lengths that `over` says in the other way. */
function withoutReplaced(schedule: PlainObject, over: PlainObject): PlainObject {
  const replaced = pairs.flatMap(([steps, fraction]) => [
    ...(Object.hasOwn(over, steps) ? [fraction] : []),
    ...(Object.hasOwn(over, fraction) ? [steps] : []),
  ]);
  return Object.fromEntries(
    Object.entries(schedule).filter(([name]) => !replaced.some((one) => one === name)),
  );
}

/** `over` laid over a configuration: a length of the schedule in steps takes the place of a share, and a share that of steps. */
export function mergeConfig(base: unknown, over: unknown): unknown {
  const isBoth =
    isPlainObject(base) &&
    isPlainObject(over) &&
    isPlainObject(base.schedule) &&
    isPlainObject(over.schedule);
  if (!isBoth) return merge(base, over);
  const { schedule } = base as { readonly schedule: PlainObject };
  return merge({ ...base, schedule: withoutReplaced(schedule, over.schedule as PlainObject) }, over);
}

/**
 * A schedule with its lengths in steps of a run of `numSteps`. Shares are rounded; a warmup's and a decay's that together round to more
 * than the run leave the decay a step less, and one before a cosine leaves it a step.
 *
 * @throws ConfigError for a length that is said twice, or not at all, or that doesn't fit into the run
 */
export function resolveSchedule(schedule: ScheduleConfig, numSteps: number): ResolvedSchedule {
  if (schedule.kind === "constant") return schedule;
  if (schedule.kind === "branch") {
    const { fromStep, decaySteps = 0 } = schedule;
    if (fromStep + decaySteps > numSteps)
      throw new ConfigError(
        `config: schedule.fromStep ${fromStep} + schedule.decaySteps ${decaySteps}: expected at most training.steps ${numSteps}`,
      );
    return { ...schedule, decaySteps };
  }
  for (const [steps, fraction] of pairs) {
    const own = schedule as PlainObject;
    if (own[steps] !== undefined && own[fraction] !== undefined)
      throw new ConfigError(
        `config: schedule.${fraction} ${own[fraction]}: schedule.${steps} ${own[steps]} says the same; expected one of them`,
      );
  }
  const { warmupSteps, warmupFraction = 0, ...rest } = schedule;
  const room = schedule.kind === "warmup-cosine" ? numSteps - 1 : numSteps;
  const rising = warmupSteps ?? Math.min(Math.round(warmupFraction * numSteps), room);
  if (rest.kind === "warmup-cosine") {
    if (rising >= numSteps)
      throw new ConfigError(
        `config: schedule.warmupSteps ${rising}: expected less than training.steps ${numSteps}; give fewer, or schedule.warmupFraction, a share of the run`,
      );
    return { ...rest, warmupSteps: rising };
  }
  const { decaySteps, decayFraction, ...others } = rest;
  if (decaySteps === undefined && decayFraction === undefined)
    throw new ConfigError("config: schedule.decaySteps is missing: expected it, or schedule.decayFraction");
  const shares = warmupFraction + (decayFraction ?? 0);
  if (shares > 1)
    throw new ConfigError(
      `config: schedule.warmupFraction ${warmupFraction} + schedule.decayFraction ${decayFraction}: expected at most 1`,
    );
  const falling =
    decaySteps ??
    (warmupSteps === undefined
      ? Math.min(Math.round(decayFraction! * numSteps), numSteps - rising)
      : Math.round(decayFraction! * numSteps));
  if (rising + falling > numSteps)
    throw new ConfigError(
      `config: schedule.warmupSteps ${rising} + schedule.decaySteps ${falling}: expected at most training.steps ${numSteps}; give fewer, or schedule.warmupFraction and schedule.decayFraction, shares of the run`,
    );
  return { ...others, warmupSteps: rising, decaySteps: falling };
}

/** A configuration whose schedule has its lengths in steps, as a run records it. @throws ConfigError as `resolveSchedule` */
export function scheduleInSteps<
  Config extends { readonly schedule: ScheduleConfig; readonly training: { readonly steps: number } },
>(config: Config): Config {
  return { ...config, schedule: resolveSchedule(config.schedule, config.training.steps) };
}
