import { parseConfig, presets, scheduleInSteps } from "../src/config/index.ts";
import { normalSampler } from "../src/numbers/index.ts";
import { RunStore } from "../src/runs/index.ts";
import { parseSweep, planTrials, SqliteTrialStore } from "../src/sweeps/index.ts";

const tiny = scheduleInSteps(parseConfig(presets.tiny));

export interface PlantedRun {
  readonly name: string;
  readonly steps: number;
  readonly seed: number;
  readonly config?: unknown;
  readonly metrics?: readonly string[];
  readonly trial?: string;
}

/** Runs that have ended, whose losses fall as losses do. @returns their ids */
export function plantRuns(home: string, runs: readonly PlantedRun[]): string[] {
  using store = new RunStore(home);
  return runs.map(({ name, steps, seed, config, metrics = ["gradNorm", "learningRate"], trial = null }) => {
    const draw = normalSampler(seed + 1);
    const run = store.createRun({
      name,
      config: config ?? { ...tiny, name, training: { ...tiny.training, steps, seed } },
      seed,
      codeVersion: "0.1.0",
      trial,
    });
    const rows = Array.from({ length: steps }, (_, i) => {
      const loss = 2 + 3 * (1 + i / 20) ** -0.5 + 0.05 * draw();
      return [
        { step: i + 1, name: "loss", value: loss },
        ...metrics.map((metric) => ({ step: i + 1, name: metric, value: 1 / (1 + i / 100) + 0.1 })),
      ];
    }).flat();
    const loss = rows.findLast((row) => row.name === "loss")!.value;
    store.appendMetrics(run.id, [...rows, { step: steps, name: "validationLoss", value: loss + 0.02 }]);
    store.setStatus(run.id, "finished", null, { step: steps, loss, validationLoss: loss + 0.02 });
    return run.id;
  });
}

/** A sweep whose trials have ended as a law says: the best learning rate at batch size B is 0.02/√(1 + 16/B). @returns its id */
export async function plantSweep(home: string, name: string): Promise<string> {
  const definition = {
    ...parseSweep({
      base: "tiny",
      parameters: {
        "training.batchSize": [4, 8, 16, 32],
        "optimizer.learningRate": { logGrid: [0.001, 0.256], points: 9 },
      },
    }),
    name,
  };
  const base = parseConfig(presets.tiny);
  const trials = planTrials(definition, base);
  await using store = new SqliteTrialStore(home);
  const { id } = await store.createSweep({ definition, base, codeVersion: "0.1.0" }, trials);
  const draw = normalSampler(5);
  for (;;) {
    const claim = await store.claim("worker:1:0", id, true);
    if (claim === null) return id;
    const { values } = claim.trial;
    const [batchSize, rate] = [
      Number(values["training.batchSize"]),
      Number(values["optimizer.learningRate"]),
    ];
    const distance = Math.log(rate / (0.02 / Math.sqrt(1 + 16 / batchSize)));
    const diverged = distance > 2.2;
    await store.record(claim, {
      status: diverged ? "diverged" : "finished",
      message: diverged ? "the loss of step 9 is NaN" : null,
      validationLoss: diverged
        ? null
        : 2 - 0.05 * Math.log(batchSize) + 0.1 * (Math.expm1(distance) - distance) + 0.004 * draw(),
      trainLoss: 2,
      steps: 120,
      seconds: 3,
      runId: null,
    });
  }
}
