import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { rotor, temporaryFolder } from "./command.ts";

function writeConfig(folder: string): string {
  const file = path.join(folder, "vq.json");
  const config = {
    name: "vq",
    task: "autoencoder",
    model: { encoder: { kind: "convolutional", channels: [8], numBlocks: 1 } },
    quantizer: { kind: "simvq", numCodes: 64, dim: 4 },
    data: { source: "allium-oreophilum", size: 8 },
    optimizer: { kind: "adamw", learningRate: 0.003, weightDecay: 0 },
    training: { steps: 20, batchSize: 16, evalImages: 32, threads: 1, logEvery: 5 },
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}

test("an autoencoder is planned, trained, listed and compared like any run", async () => {
  using folder = temporaryFolder();
  const config = writeConfig(folder.path);
  const plan = await rotor(folder.path, "train", config, "--dry-run", "--timed");
  assert.equal(plan.code, 0, plan.stderr);
  assert.match(plan.stdout, /^codes +64; 4 × 4 vectors of 4 per image$/m);
  assert.match(plan.stdout, /^data +\d+ images for training, 32 for validation$/m);
  assert.match(plan.stdout, /^quantizer\.transform +4 × 4 /m);
  assert.match(plan.stdout, /^time per step +\d+ ms/m);

  const trained = await rotor(folder.path, "train", config);
  assert.equal(trained.code, 0, trained.stderr);
  assert.match(trained.stdout, /64 codes, 4 × 4 vectors of 4 per image, adamw, 16 images a step/);
  assert.match(trained.stdout, /step 20\/20 .* perplexity \d+ {2}100% used, 0 dead {2}[\d.k]+ images\/s/);
  assert.match(
    trained.stdout,
    /final validation loss 0\.\d{5} mean squared error, \d+\.\d\d dB PSNR, [\d.]+ % of the codes used, perplexity [\d.]+/,
  );
  const shown = await rotor(folder.path, "runs", "show", "vq");
  assert.match(shown.stdout, /^psnr +\d/m);
  assert.match(shown.stdout, /^validationPerplexity +\d/m);
  const again = await rotor(folder.path, "train", config, "--name", "other", "--json");
  assert.equal(JSON.parse(again.stdout).validation.metrics.validationUsage > 0, true);
  const compared = await rotor(folder.path, "runs", "compare", "vq", "other", "--identical");
  assert.equal(compared.code, 0, compared.stderr);
});

test("what needs a language model says so in one line", async () => {
  using folder = temporaryFolder();
  const config = writeConfig(folder.path);
  assert.equal((await rotor(folder.path, "train", config, "--set", "training.steps=1")).code, 0);
  const sampled = await rotor(folder.path, "sample", "vq");
  assert.equal(sampled.code, 1);
  assert.match(sampled.stderr, /^rotor: [^\n]*autoencoder[^\n]*\n$/);
  const measured = await rotor(folder.path, "measure", "vq");
  assert.equal(measured.code, 1);
  assert.match(measured.stderr, /^rotor: config "vq": task autoencoder: expected a language model here\n$/);
});
