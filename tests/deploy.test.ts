import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { loadSweep, planTrials } from "../src/sweeps/index.ts";
import { PostgresTrialStore } from "../src/sweeps/postgresTrialStore.ts";
import { PostgresServer } from "../src/sweeps/testing/postgresServer.ts";
import { type Finished, rotor, temporaryFolder, writeMicroConfig } from "./command.ts";

const folder = fileURLToPath(new URL("../deploy", import.meta.url));
const read = (name: string) => readFileSync(path.join(folder, name), "utf8");
const { version } = JSON.parse(read("../package.json")) as { version: string };

/** Flags that the files give to `rotor worker` exist. */
async function assertFlags(args: readonly string[]): Promise<void> {
  const { stdout } = await rotor(folder, "worker", "--help");
  for (const flag of args.filter((arg) => arg.startsWith("--")))
    assert.match(stdout, new RegExp(`^ +${flag}\\b`, "m"), flag);
}

test("the Kubernetes manifest is a deployment whose parts fit together", async () => {
  const { kind, apiVersion, spec } = parse(read("kubernetes.yaml"));
  assert.deepEqual([kind, apiVersion], ["Deployment", "apps/v1"]);
  assert.deepEqual(spec.selector.matchLabels, spec.template.metadata.labels);
  const pod = spec.template.spec;
  const [worker] = pod.containers;
  assert.match(worker.image, new RegExp(`:${version}$`));
  assert.equal(worker.args[0], "worker");
  await assertFlags(worker.args);
  // As many threads as cores.
  assert.equal(worker.args[worker.args.indexOf("--threads") + 1], worker.resources.requests.cpu);
  assert.deepEqual(worker.env, [
    {
      name: "ROTOR_DATABASE_URL",
      valueFrom: { secretKeyRef: { name: "rotor-database", key: "url" } },
    },
  ]);
  assert.deepEqual(
    worker.volumeMounts.map(({ name }: { name: string }) => name),
    pod.volumes.map(({ name }: { name: string }) => name),
  );
  const readme = read("README.md");
  for (const secret of ["rotor-database", "rotor-bucket"])
    assert.match(readme, new RegExp(`kubectl create secret generic ${secret} `));
});

test("the image holds this version", () => {
  const { peerDependencies } = JSON.parse(
    readFileSync(new URL("../package.json", import.meta.url), "utf8"),
  ) as { peerDependencies: Record<string, string> };
  const packages = ["@jax-js/jax", "pg", "pg-boss", "aws4fetch"].map(
    (name) => `${name}@${peerDependencies[name]}`,
  );
  assert.ok(read("Dockerfile").includes(` ${[`rotor@${version}`, ...packages].join(" ")}\n`));
});

test("the Slurm script is sound shell and starts a worker", async () => {
  const script = path.join(folder, "slurm.sh");
  const checked = spawnSync("bash", ["-n", script], { encoding: "utf8" });
  assert.equal(checked.status, 0, checked.stderr);
  const text = read("slurm.sh");
  // Slurm reads options only before the first command.
  const lines = text.split("\n");
  const firstCommand = lines.findIndex((line) => line !== "" && !line.startsWith("#"));
  const options = lines.flatMap((line, i) => (line.startsWith("#SBATCH ") ? [i] : []));
  assert.ok(options.length > 3 && options.every((i) => i < firstCommand));
  await assertFlags(/rotor worker (.*)$/m.exec(text)![1]!.split(" "));
});

/**
 * A folder that looks to slurm.sh like a user's home on a cluster: `srun` notes its command and runs it here, and `npx rotor`
 * is this Rotor.
 */
function cluster(
  root: string,
  url: string,
): { run: (task: number) => { child: ChildProcess; finished: Promise<Finished> } } {
  const main = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));
  const programs = path.join(root, "bin");
  mkdirSync(programs);
  const program = (name: string, text: string) =>
    writeFileSync(path.join(programs, name), `#!/bin/bash\nset -eu\n${text}\n`, { mode: 0o755 });
  program("srun", `echo "$*" >> "$HOME/srun.log"\nexec "$@"`);
  program("npx", `[ "$1" = rotor ]\nshift\nexec "${process.execPath}" "${main}" "$@"`);
  mkdirSync(path.join(root, "node"));
  // As `echo` writes it.
  writeFileSync(path.join(root, ".rotor-database"), `${url}\n`, { mode: 0o600 });
  return {
    run(task) {
      const child = spawn("bash", [path.join(folder, "slurm.sh")], {
        cwd: root,
        env: {
          PATH: `${programs}:${process.env.PATH}`,
          HOME: root,
          TMPDIR: path.join(root, "node"),
          NO_COLOR: "1",
          SLURM_JOB_ID: String(100 + task),
          SLURM_ARRAY_JOB_ID: "100",
          SLURM_ARRAY_TASK_ID: String(task),
          SLURM_CPUS_PER_TASK: "1",
        },
        stdio: ["ignore", "pipe", "pipe"],
      });
      let [stdout, stderr] = ["", ""];
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        stdout += text;
      });
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        stderr += text;
      });
      const finished = new Promise<Finished>((resolve) => {
        child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
      });
      return { child, finished };
    },
  };
}

test("an array of jobs of the Slurm script ends a sweep, also when one is cut off and queued again", async () => {
  using root = temporaryFolder();
  await using server = await PostgresServer.start();
  const micro = writeMicroConfig(root.path, {
    optimizer: { kind: "adamw", learningRate: 0.01 },
    training: { steps: 500, batchSize: 4, length: 16, evalBatches: 2, sampleTokens: 0, checkpointEvery: 10 },
  });
  const file = path.join(root.path, "sweep.yaml");
  writeFileSync(file, `base: ${micro}\nparameters: { optimizer.learningRate: [0.01, 0.02, 0.03] }\n`);
  await using store = await PostgresTrialStore.open(server.url(), 60);
  const { definition, base } = await loadSweep(file);
  const { id } = await store.createSweep(
    { definition, base, codeVersion: version },
    planTrials(definition, base),
  );
  const { run } = cluster(root.path, server.url());
  const shared = path.join(root.path, "rotor-shared");
  const sidecars = () =>
    existsSync(shared)
      ? readdirSync(shared, { recursive: true }).filter((name) => /\.json$/.test(String(name)))
      : [];

  // The limit of time comes while a trial runs.
  const first = run(1);
  while (sidecars().length === 0 && first.child.exitCode === null) await sleep(20);
  first.child.kill("SIGTERM");
  const cut = await first.finished;
  assert.equal(cut.code, 130, cut.stderr);
  assert.match(cut.stdout, /: given back\n/);
  const [begun] = await store.listTrials(id);
  assert.deepEqual([begun!.status, begun!.attempts], ["waiting", 0]);
  assert.ok(sidecars().length > 0 && begun!.progress !== null);

  const jobs = await Promise.all([run(2), run(3)].map(({ finished }) => finished));
  for (const { code, stderr } of jobs) assert.equal(code, 0, stderr);
  const trials = await store.listTrials(id);
  assert.deepEqual(
    trials.map(({ status, outcome }) => [status, outcome!.steps]),
    [1, 2, 3].map(() => ["finished", 500]),
  );
  const recorded = jobs.map(({ stdout }) => Number(/(\d+) results recorded\n$/.exec(stdout)![1]));
  assert.equal(recorded[0]! + recorded[1]!, 3);
  // Other nodes have other disks: the trial went on from the shared folder, which is empty again.
  assert.ok(!existsSync(path.join(root.path, "node", "rotor-101", "runs", trials[0]!.outcome!.runId!)));
  assert.deepEqual(sidecars(), []);
  assert.deepEqual(
    readFileSync(path.join(root.path, "srun.log"), "utf8").trim().split("\n").sort(),
    [101, 102, 103].map(
      (job) => `npx rotor worker --once --threads 1 --home ${path.join(root.path, "node", `rotor-${job}`)}`,
    ),
  );
});

test("without its file of the database, the Slurm script ends before a worker starts", async () => {
  using root = temporaryFolder();
  const { run } = cluster(root.path, "");
  const { code, stdout } = await run(1).finished;
  assert.equal(stdout, "");
  assert.equal(code, 1);
  assert.ok(!existsSync(path.join(root.path, "srun.log")));
});
