import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { after } from "node:test";
import fc from "fast-check";
import { ConfigError } from "../errors.ts";
import { buildOptimizer } from "./buildOptimizer.ts";
import { loadBaseConfig, loadConfig, overrideConfig } from "./loadConfig.ts";
import { parseConfig } from "./parseConfig.ts";
import { type PresetName, presetNames, presets } from "./presets.ts";
import { resolveSchedule, type ScheduleConfig, scheduleInSteps } from "./scheduleSchema.ts";

const folder = mkdtempSync(path.join(tmpdir(), "rotor-schedule-"));
after(() => rmSync(folder, { recursive: true }));

/** What the presets said in steps when their losses were measured. */
const measured: Readonly<Record<PresetName, object>> = {
  tiny: { kind: "warmup-stable-decay", warmupSteps: 10, decaySteps: 40 },
  small: { kind: "warmup-stable-decay", warmupSteps: 20, decaySteps: 140 },
  medium: { kind: "warmup-stable-decay", warmupSteps: 30, decaySteps: 400 },
  "gpt2-small": { kind: "warmup-cosine", warmupSteps: 10, finalFraction: 0.1 },
  "vq-mnist": { kind: "warmup-cosine", warmupSteps: 20 },
  "vq-photographs": { kind: "warmup-cosine", warmupSteps: 20 },
  "codes-mnist": { kind: "warmup-stable-decay", warmupSteps: 20, decaySteps: 400 },
};

test("presets have the schedules that they were measured with, in steps", async () => {
  for (const [name, schedule] of Object.entries(measured))
    assert.deepEqual((await loadConfig(name)).schedule, schedule, name);
});

test("a preset's schedule goes along with the number of steps", async () => {
  const { schedule, expectedLoss } = await loadConfig("tiny", ["training.steps=40"]);
  // 40 · 10/120 = 3⅓ and 40 · 40/120 = 13⅓.
  assert.deepEqual(schedule, { kind: "warmup-stable-decay", warmupSteps: 3, decaySteps: 13 });
  assert.equal(expectedLoss, null);
  for (const name of presetNames) {
    for (const steps of [1, 2, 7, 40, 100000]) {
      const config = await loadConfig(name, [`training.steps=${steps}`]);
      assert.ok(buildOptimizer(config).learningRate.at(0) > 0, `${name} ${steps}`);
    }
  }
});

test("lengths that a person gives stay as they are, in either way", async () => {
  const given = async (...overrides: string[]) => (await loadConfig("tiny", overrides)).schedule;
  assert.deepEqual(await given("training.steps=240", "schedule.decaySteps=40"), {
    kind: "warmup-stable-decay",
    warmupSteps: 20,
    decaySteps: 40,
  });
  const file = path.join(folder, "own.yaml");
  writeFileSync(file, "preset: tiny\nschedule: { warmupSteps: 5 }\ntraining: { steps: 60 }\n");
  const own = await loadConfig(file);
  assert.deepEqual(own.schedule, { kind: "warmup-stable-decay", warmupSteps: 5, decaySteps: 20 });
  const shared = await loadConfig(file, ["schedule.warmupFraction=0.5"]);
  assert.deepEqual(shared.schedule, { kind: "warmup-stable-decay", warmupSteps: 30, decaySteps: 20 });
});

test("the same lengths said in steps keep the expected loss", async () => {
  const { expectedLoss } = await loadConfig("tiny", ["schedule.warmupSteps=10"]);
  assert.deepEqual(expectedLoss, (await loadConfig("tiny")).expectedLoss);
});

test("the base of a sweep keeps its shares, so that a trial's schedule fits its steps", async () => {
  const base = await loadBaseConfig("tiny");
  const trial = (values: Record<string, unknown>) => scheduleInSteps(overrideConfig(base, values)).schedule;
  assert.deepEqual(trial({ "training.steps": 60 }), {
    kind: "warmup-stable-decay",
    warmupSteps: 5,
    decaySteps: 20,
  });
  assert.deepEqual(trial({ "training.steps": 60, "schedule.warmupSteps": 1 }), {
    kind: "warmup-stable-decay",
    warmupSteps: 1,
    decaySteps: 20,
  });
});

test("what doesn't fit is refused by paths, with a remedy", () => {
  const tiny = presets.tiny as { readonly training: object };
  const parse =
    (schedule: object, steps = 40) =>
    () =>
      parseConfig({ ...tiny, schedule, training: { ...tiny.training, steps } });
  const says = (message: string) => new ConfigError(`config: ${message}`);
  const kind = "warmup-stable-decay";
  assert.throws(
    parse({ kind, warmupSteps: 10, decaySteps: 40 }),
    says(
      "schedule.warmupSteps 10 + schedule.decaySteps 40: expected at most training.steps 40; give fewer, or schedule.warmupFraction and schedule.decayFraction, shares of the run",
    ),
  );
  assert.throws(
    parse({ kind: "warmup-cosine", warmupSteps: 40 }),
    says(
      "schedule.warmupSteps 40: expected less than training.steps 40; give fewer, or schedule.warmupFraction, a share of the run",
    ),
  );
  assert.throws(
    parse({ kind: "warmup-cosine", warmupSteps: 4, warmupFraction: 0.1 }),
    says("schedule.warmupFraction 0.1: schedule.warmupSteps 4 says the same; expected one of them"),
  );
  assert.throws(
    parse({ kind, warmupFraction: 0.6, decayFraction: 0.5 }),
    says("schedule.warmupFraction 0.6 + schedule.decayFraction 0.5: expected at most 1"),
  );
  assert.throws(
    parse({ kind, warmupSteps: 1 }),
    says("schedule.decaySteps is missing: expected it, or schedule.decayFraction"),
  );
});

test("shares that add up to one fit into every run, and are rounded", () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.integer({ min: 1, max: 5000 }),
      (share, steps) => {
        const schedule = {
          kind: "warmup-stable-decay",
          warmupFraction: share,
          decayFraction: 1 - share,
        } as const;
        const { warmupSteps, decaySteps } = resolveSchedule(schedule, steps) as Extract<
          ReturnType<typeof resolveSchedule>,
          { kind: "warmup-stable-decay" }
        >;
        assert.ok(Number.isInteger(warmupSteps) && Number.isInteger(decaySteps));
        assert.ok(warmupSteps + decaySteps <= steps);
        assert.ok(Math.abs(warmupSteps - share * steps) <= 0.5);
        assert.ok(Math.abs(decaySteps - (1 - share) * steps) <= 1);
        const cosine: ScheduleConfig = { kind: "warmup-cosine", warmupFraction: share };
        assert.ok((resolveSchedule(cosine, steps) as { warmupSteps: number }).warmupSteps < steps);
      },
    ),
  );
});
