import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { rotor } from "./command.ts";

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
  assert.match(read("Dockerfile"), new RegExp(`rotor@${version}$`, "m"));
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
