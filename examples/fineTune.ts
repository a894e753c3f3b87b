// Trains a small model on one text, then goes on from its checkpoint with another; its embedding and first block stay as they are.
//
// node examples/fineTune.ts [steps]
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { adamw, partition, scale } from "rotor";
import { firstDifference, latestCheckpoint, storedTensors, treeOfTensors } from "rotor/checkpoint";
import { buildOptimizer, loadConfig } from "rotor/config";
import { openTask, StepRunner, trainRun } from "rotor/train";

const steps = Number(process.argv[2] ?? 60);
const home = mkdtempSync(path.join(tmpdir(), "rotor-"));

/** A file of short sentences about such things. */
function text(name: string, things: readonly string[]): string {
  const sentences = things.flatMap((a) => things.map((b) => `The ${a} is behind the ${b}. `));
  const file = path.join(home, name);
  writeFileSync(file, sentences.join("").repeat(40));
  return file;
}
const sea = text("sea.txt", ["whale", "ship", "captain", "harpoon", "storm", "deck"]);
const farm = text("farm.txt", ["horse", "barn", "farmer", "plough", "meadow", "fence"]);

// A run of its own, with the preset's optimizer. Its checkpoints hold parameters, optimizer and all that continues it.
const options = [`training.steps=${steps}`, "training.sampleTokens=0"];
const first = await trainRun({ config: await loadConfig("tiny", [`data.source=${sea}`, ...options]), home });
const { tensors } = latestCheckpoint(first.run.directory);
const params = treeOfTensors(tensors, "params");
console.log(`on the first text: ${first.validation!.loss.toFixed(2)} nats`);

// The same task with the other text, beginning at those parameters, and an optimizer that leaves some of them alone.
const config = await loadConfig("tiny", [`data.source=${farm}`, ...options]);
using task = await openTask(config, home);
const isFrozen = (name: string) => name === "embedding" || name.startsWith("blocks.0.");
const transformation = partition(
  (name) => (isFrozen(name) ? { group: "frozen", reason: "given" } : { group: "tuned", reason: "rest" }),
  { frozen: scale(0), tuned: adamw({ learningRate: 3e-3 }) },
);
const runner = new StepRunner(
  { ...task, init: async () => ({ params }) },
  { ...buildOptimizer(config), transformation },
  { clipNorm: 1, seed: 0 },
);
using state = await runner.init();
const lossNow = async () => (await task.evaluate(state.leaves().params, undefined)).loss;
const before = await lossNow();
for (let i = 0; i < steps; i++) await runner.run(state, i);
const after = await lossNow();
console.log(`on the other text: ${before.toFixed(2)} nats before, ${after.toFixed(2)} after ${steps} steps`);

const tuned = storedTensors(state.leaves().params, "params");
const only = (all: typeof tensors) =>
  new Map([...all].filter(([name]) => isFrozen(name.replace(/^params\./, ""))));
console.log(`changed among the frozen: ${firstDifference(only(tensors), only(tuned)) ?? "nothing"}`);
if (after > before / 2) process.exitCode = 1;
await runner.dispose();
await task.close();
rmSync(home, { recursive: true });
