import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { RunStore } from "../src/runs/runStore.ts";
import { PostgresTrialStore } from "../src/sweeps/postgresTrialStore.ts";
import { PostgresServer } from "../src/sweeps/testing/postgresServer.ts";
import { rotor, start, temporaryFolder, writeMicroConfig } from "./command.ts";
import { startUiCommand } from "./uiServer.ts";

let server: PostgresServer;
before(async () => {
  server = await PostgresServer.start();
});
after(() => server[Symbol.asyncDispose]());

/** Machines are folders here: each has its own runs, and text of its own to train on. */
function machine(root: string, name: string): string {
  const folder = path.join(root, name);
  mkdirSync(folder);
  writeMicroConfig(folder, {
    optimizer: { kind: "adamw", learningRate: 0.01 },
    training: {
      steps: 600,
      batchSize: 4,
      length: 16,
      evalBatches: 2,
      sampleTokens: 0,
      checkpointEvery: 10,
      threads: 1,
      logEvery: 5,
    },
  });
  writeFileSync(
    path.join(folder, "sweep.yaml"),
    "base: micro.json\nparameters: { optimizer.learningRate: [0.01, 0.02] }\nearlyStop: null\nworkers: 1\n",
  );
  return folder;
}

test("a sweep that stops on one machine goes on on another, from its checkpoints, to the same results", async () => {
  using folder = temporaryFolder();
  process.env.ROTOR_DATABASE_URL = server.url();
  const [first, second, third] = ["first", "second", "third"].map((name) => machine(folder.path, name));
  const shared = path.join(folder.path, "shared");
  const begun = start(first!, ["sweep", "sweep.yaml", "--shared", shared]);
  while (
    !existsSync(shared) ||
    !readdirSync(shared, { recursive: true }).some((name) => /json$/.test(String(name)))
  )
    await sleep(20);
  // As a cluster does.
  begun.child.kill("SIGTERM");
  const stopped = await begun.finished;
  assert.equal(stopped.code, 130, stopped.stderr);
  const worked = await rotor(second!, "worker", "--once", "--threads", "1", "--shared", shared);
  assert.equal(worked.code, 0, worked.stderr);
  assert.match(worked.stdout, /^taking trials from postgres:\/\/rotor@127\.0\.0\.1:\d+\/postgres\n/);
  await using store = await PostgresTrialStore.open(server.url(), 10);
  const sweep = await store.getSweep("latest");
  assert.equal(sweep.counts.finished, 2);
  const trials = await store.listTrials(sweep.id);
  const moved = trials[0]!;

  using runs = new RunStore(path.join(second!, ".rotor"));
  // The first trial's curve is whole, though most of it was computed elsewhere.
  const run = runs.getRun(moved.outcome!.runId!);
  assert.equal(run.status, "finished");
  assert.deepEqual(
    runs.metric(run.id, "loss").map(({ step }) => step),
    Array.from({ length: 600 }, (_, i) => i + 1),
  );
  assert.ok(moved.outcome!.seconds > 0);
  // It equals one that was never interrupted.
  const whole = await rotor(third!, "train", "micro.json", "--json");
  assert.equal(JSON.parse(whole.stdout).validation.loss, moved.outcome!.validationLoss);
  // Nothing is left of checkpoints that nobody needs.
  assert.deepEqual(
    readdirSync(shared, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()),
    [],
  );
  // Wherever it began, the sweep can be read from any machine.
  const resumed = await rotor(third!, "sweep", "--resume");
  assert.equal(resumed.code, 0, resumed.stderr);
  assert.match(resumed.stdout, /results in postgres:\/\/rotor@127/);

  // An open page is told of what any machine writes.
  await using ui = await startUiCommand(third!);
  const { body } = await fetch(`${ui.address}api/changes`);
  const changes = body!.pipeThrough(new TextDecoderStream()).getReader();
  let told = "";
  const untilChanged = async (count: number) => {
    while (!told.includes(`"sweeps":${count},`)) {
      const { value, done } = await changes.read();
      assert.ok(!done, told);
      told += value;
    }
  };
  // The first look.
  await untilChanged(1);
  await store.deleteSweep(sweep.id);
  await untilChanged(2);
  const { sweeps } = (await (await fetch(`${ui.address}api/sweeps`)).json()) as { sweeps: unknown[] };
  assert.deepEqual(sweeps, []);
  await changes.cancel();
});

test("a database that refuses is one line, and exit code 1", async () => {
  using folder = temporaryFolder();
  const place = machine(folder.path, "only");
  process.env.ROTOR_DATABASE_URL = server.url({ password: "wr0ng" });
  for (const args of [
    ["worker", "--once"],
    ["sweep", "list"],
  ]) {
    const { code, stderr, stdout } = await rotor(place, ...args);
    assert.equal(code, 1);
    assert.equal(stdout, "");
    assert.match(
      stderr,
      /^rotor: sweep database postgres:\/\/rotor@[^ ]+: password authentication failed for user "rotor"\n$/,
    );
  }
  process.env.ROTOR_DATABASE_URL = "postgres://rotor:wr0ng@127.0.0.1:1/x";
  process.env.ROTOR_PATIENCE = "0";
  const away = await rotor(place, "sweep", "sweep.yaml");
  assert.equal(away.code, 1);
  assert.match(
    away.stderr,
    /^rotor: sweep database postgres:\/\/rotor@127\.0\.0\.1:1\/x: connect ECONNREFUSED.*\n$/,
  );
});
