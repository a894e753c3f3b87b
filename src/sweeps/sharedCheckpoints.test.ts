import assert from "node:assert/strict";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { loadCheckpoint, saveCheckpoint } from "../checkpoint/index.ts";
import { RunStore } from "../runs/index.ts";
import { openSharedFiles } from "./openSharedFiles.ts";
import { SharedBucket } from "./sharedBucket.ts";
import { localStep, SharedCheckpoints } from "./sharedCheckpoints.ts";
import type { SharedFiles } from "./sharedFiles.ts";
import { SharedFolder } from "./sharedFolder.ts";
import { BucketServer } from "./testing/bucketServer.ts";

const scratch = mkdtempSync(path.join(tmpdir(), "rotor-shared-"));
const bucket = await BucketServer.start();
after(async () => {
  await bucket[Symbol.asyncDispose]();
  rmSync(scratch, { recursive: true });
});

/** Writes a run's checkpoint whose tensor holds its step. */
function checkpoint(directory: string, step: number): void {
  saveCheckpoint(
    directory,
    new Map([["w", { dtype: "float32", shape: [2], data: new Float32Array([step, 1]) }]]),
    {
      step,
      config: { name: "a trial" },
      seed: 3,
      dataCursor: { step, epochs: 0 },
      codeVersion: "0",
      tokenizer: "bytes",
      validationLoss: null,
    },
  );
}

const places: [name: string, open: (folder: string) => SharedFiles][] = [
  ["folder", (folder) => new SharedFolder(path.join(scratch, "shared", folder))],
  ["bucket", (folder) => new SharedBucket(`s3://bucket/a pre&fix/${folder}`, bucket.environment)],
];

for (const [name, open] of places) {
  test(`${name}: files are put, listed, read and deleted`, async () => {
    const files = open("files");
    const [from, to] = [path.join(scratch, "from"), path.join(scratch, "to")];
    writeFileSync(from, Buffer.from([0, 255, 10, 13, 128]));
    assert.deepEqual(await files.list("t/"), []);
    for (const file of ["t/1/a (1)*.json", "t/1/b.json", "t/2/c", "u/1/d", "t2/e"])
      await files.put(file, from);
    assert.deepEqual((await files.list("t/")).sort(), ["t/1/a (1)*.json", "t/1/b.json", "t/2/c"]);
    await files.get("t/1/a (1)*.json", to);
    assert.deepEqual(readFileSync(to), readFileSync(from));
    writeFileSync(from, "other");
    await files.put("t/2/c", from);
    await files.get("t/2/c", to);
    assert.equal(readFileSync(to, "utf8"), "other");
    await files.delete("t/2/c");
    await files.delete("t/2/c");
    assert.deepEqual((await files.list("t/2/")).sort(), []);
    await assert.rejects(files.get("t/2/c", to), { name: "CheckpointError" });
  });

  test(`${name}: a trial's checkpoint becomes a run on another machine, with its metrics`, async () => {
    const shared = new SharedCheckpoints(open("trials"));
    const [here, there] = ["here", "there"].map((home) => path.join(scratch, name, home));
    using store = new RunStore(here!);
    const run = store.createRun({ name: "a trial", config: {}, seed: 3, codeVersion: "0" });
    assert.equal(await shared.newestStep("t"), null);
    assert.equal(await shared.restore("t", there!), null);
    writeFileSync(
      path.join(run.directory, "metrics.jsonl"),
      '{"step":1,"loss":2,"gradNorm":0.5}\n{"step":2,"loss":1.5}\n',
    );
    for (const step of [2, 4]) {
      checkpoint(run.directory, step);
      await shared.save("t", 1, run.directory, step);
    }
    assert.equal(await shared.newestStep("t"), 4);
    assert.equal(localStep(here!, run.id), 4);
    // Older ones are gone.
    assert.deepEqual((await open("trials").list("t/")).sort(), [
      "t/1/step-00000004.json",
      "t/1/step-00000004.metrics.jsonl",
      "t/1/step-00000004.safetensors",
    ]);
    const restored = (await shared.restore("t", there!))!;
    assert.equal(restored.step, 4);
    assert.equal(localStep(there!, restored.runId), 4);
    using other = new RunStore(there!);
    const copy = other.getRun(restored.runId);
    assert.deepEqual([copy.name, copy.config, copy.seed], ["a trial", { name: "a trial" }, 3]);
    assert.deepEqual([...loadCheckpoint(copy.directory, 4).tensors.get("w")!.data], [4, 1]);
    assert.deepEqual(
      other.metric(copy.id, "loss").map(({ value }) => value),
      [2, 1.5],
    );
    await shared.forget("t");
    assert.deepEqual(await open("trials").list("t/"), []);
  });

  test(`${name}: a worker that lost its claim deletes nothing of later ones; a damaged checkpoint is passed over`, async () => {
    const files = open("claims");
    const shared = new SharedCheckpoints(files);
    const [old, young] = ["old", "young"].map((run) => path.join(scratch, name, run));
    for (const step of [10, 12]) checkpoint(old!, step);
    for (const step of [20, 30]) checkpoint(young!, step);
    await shared.save("t", 1, old!, 10);
    await shared.save("t", 2, young!, 20);
    await shared.save("t", 1, old!, 12);
    assert.equal(await shared.newestStep("t"), 20);
    // Pruned on this machine while it waited for its turn.
    await shared.save("t", 2, young!, 25);
    assert.equal(await shared.newestStep("t"), 20);
    // A newer one that was damaged on its way.
    await files.put("t/3/step-00000030.json", path.join(young!, "checkpoints", "step-00000030.json"));
    await files.put(
      "t/3/step-00000030.safetensors",
      path.join(young!, "checkpoints", "step-00000020.safetensors"),
    );
    const home = path.join(scratch, name, "home");
    mkdirSync(home, { recursive: true });
    assert.equal((await shared.restore("t", home))!.step, 20);
    using store = new RunStore(home);
    assert.equal(store.listRuns().length, 1);
    assert.deepEqual(readdirSync(path.join(home, "cache")), []);
  });
}

test("what a bucket refuses is one line with the place and the reason; passing trouble is tried again", async () => {
  const file = path.join(scratch, "small");
  writeFileSync(file, "x");
  const wrong = new SharedBucket("s3://bucket/p", { ...bucket.environment, AWS_SECRET_ACCESS_KEY: "wrong" });
  await assert.rejects(wrong.put("a", file), {
    name: "CheckpointError",
    message: "shared place s3://bucket/p: a: answers 403 SignatureDoesNotMatch",
  });
  const other = new SharedBucket("s3://other", bucket.environment);
  await assert.rejects(other.list(""), /s3:\/\/other: list: answers 404 NoSuchBucket/);
  const away = new SharedBucket("s3://bucket/p", {
    ...bucket.environment,
    AWS_ENDPOINT_URL: "http://127.0.0.1:1",
  });
  await assert.rejects(away.list(""), /s3:\/\/bucket\/p: list: .*(ECONNREFUSED|bad port)/);
  const good = new SharedBucket("s3://bucket/p", bucket.environment);
  const secret = new SharedBucket("s3://bucket/p", {
    ...bucket.environment,
    AWS_ENDPOINT_URL: "http://127.0.0.1:1/a%20b",
  });
  await assert.rejects(secret.list(""), (error) => !/se\/cret/.test(String(error)));
  bucket.failures.push(503, 500);
  await good.put("a", file);
  assert.deepEqual(await good.list(""), ["a"]);
});

test("a listing that never ends, or leads elsewhere, is an error", async () => {
  const files = new SharedBucket("s3://bucket/evil", bucket.environment);
  const page = (keys: string[], token: string) =>
    `<L>${keys.map((key) => `<Key>${key}</Key>`).join("")}${token === "" ? "" : `<NextContinuationToken>${token}</NextContinuationToken>`}</L>`;
  let asked = 0;
  const cases: [string, (number: number) => string, RegExp][] = [
    ["a token again", () => page([], "same"), /same continuation token again after 1 pages$/],
    ["tokens without end", (n) => page([], `${n}`), /more than 1000 pages$/],
    ["too large", () => "x".repeat(17 * 2 ** 20), /more than 16777216 bytes$/],
    ["above", () => page(["evil/t/../../other/x"], ""), /isn't below evil\/t\/$/],
    ["another prefix", () => page(["other/t/x"], ""), /isn't below evil\/t\/$/],
    ["backslashes", () => page(["evil/t/..\\..\\x"], ""), /isn't below/],
    ["NUL", () => page(["evil/t/a&#0;b"], ""), /isn't below/],
  ];
  for (const [name, answer, message] of cases) {
    asked = 0;
    bucket.listing = () => answer(++asked);
    await assert.rejects(files.list("t/"), (error: Error) => {
      assert.equal(error.name, "CheckpointError", name);
      assert.match(error.message, message, name);
      return true;
    });
    assert.ok(asked <= 1000, name);
  }
  // Consoles mark empty folders so, and an entity that is none is text.
  bucket.listing = () => page(["evil/t/", "evil/t/1/", "evil/t/a&#x110000;"], "");
  assert.deepEqual(await files.list("t/"), ["t/a&#x110000;"]);
  bucket.listing = null;
  for (const act of [
    () => files.delete("../x"),
    () => files.get("t/../../x", "here"),
    () => files.put("", "x"),
  ])
    await assert.rejects(
      act,
      /CheckpointError: shared place s3:\/\/bucket\/evil: name .*expected a plain name/,
    );
});

test("names that lead out of a shared folder, and links in it, are refused", async () => {
  const root = path.join(scratch, "linked");
  mkdirSync(path.join(root, "folder"), { recursive: true });
  mkdirSync(path.join(root, "victim"));
  writeFileSync(path.join(root, "victim", "file"), "precious");
  symlinkSync(path.join(root, "victim"), path.join(root, "folder", "link"));
  const files = new SharedFolder(path.join(root, "folder"));
  for (const name of [
    "../victim/file",
    "link/file",
    "link",
    "a/../../victim/file",
    path.join(root, "victim"),
  ])
    for (const act of [
      () => files.delete(name),
      () => files.get(name, path.join(root, "copy")),
      () => files.put(name, path.join(root, "victim", "file")),
    ])
      await assert.rejects(act, { name: "CheckpointError" }, name);
  assert.deepEqual(readdirSync(root).sort(), ["folder", "victim"]);
  assert.equal(readFileSync(path.join(root, "victim", "file"), "utf8"), "precious");
  const shared = new SharedCheckpoints(files);
  for (const trial of ["..", "../victim", "link/x", ""])
    for (const act of [() => shared.forget(trial), () => shared.newestStep(trial)])
      await assert.rejects(act, /RunStoreError: trial .*: expected up to 128 letters/);
});

test("a place that can't be used is refused at once", async () => {
  const cases: [string, Record<string, string>, RegExp][] = [
    ["s3:bucket", {}, /shared place s3:bucket: expected s3:\/\/bucket\/prefix/],
    ["s3://bucket", { AWS_ACCESS_KEY_ID: "" }, /expected the variable AWS_ACCESS_KEY_ID/],
    ["s3://bucket", { AWS_SECRET_ACCESS_KEY: "" }, /expected the variable AWS_SECRET_ACCESS_KEY/],
    ["s3://bucket", { AWS_ENDPOINT_URL: "ftp://x" }, /AWS_ENDPOINT_URL ftp:\/\/x: expected http/],
    [
      "s3://bucket",
      { AWS_ENDPOINT_URL: "https://key:pass@host:9000/?token=pass" },
      /AWS_ENDPOINT_URL https:\/\/host:9000: expected no user, password or query/,
    ],
    [
      "s3://bucket",
      { AWS_ENDPOINT_URL: "key:pass@host" },
      /AWS_ENDPOINT_URL \(not a URL with a host\): expected http/,
    ],
    [
      "s3://key:pass@bucket/prefix",
      {},
      /shared place s3:\/\/bucket\/prefix: expected s3:\/\/bucket\/prefix, without/,
    ],
    ["s3://bucket/p?token=pass", {}, /shared place s3:\/\/bucket\/p: expected/],
    ["s3://bucket/a/../b", {}, /expected a plain name/],
  ];
  for (const [url, over, message] of cases)
    assert.throws(
      () => new SharedBucket(url, { ...bucket.environment, ...over }),
      (error: Error) => {
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /pass(?!word)/);
        return true;
      },
    );
  assert.equal((await openSharedFiles(scratch)).location, scratch);
  await assert.rejects(openSharedFiles("s3://"), /expected s3:\/\/bucket\/prefix/);
  writeFileSync(path.join(scratch, "a file"), "");
  const folder = new SharedFolder(path.join(scratch, "a file"));
  await assert.rejects(
    folder.put("x", path.join(scratch, "a file")),
    /^CheckpointError: shared folder .*a file: /,
  );
});
