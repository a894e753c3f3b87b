import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, before, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";
import { ConfigError } from "../errors.ts";
import { RunStore, runStoreFile } from "../runs/index.ts";
import type { MeasureQuestion } from "./measureJob.ts";
import { startUi } from "./server.ts";
import type { MeasureJobView, MeasurementsView } from "./views.ts";

before(() => {
  const script = fileURLToPath(new URL("../../scripts/buildPage.ts", import.meta.url));
  const { status, stderr } = spawnSync(process.execPath, [script, "--if-changed"], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
});

let home = "";
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), "rotor-ui-"));
});
afterEach(() => rmSync(home, { recursive: true }));

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** A request with headers that a browser would not let a page choose. */
function ask(
  address: string,
  headers: Record<string, string> = {},
  method = "GET",
  body?: string,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(address, { method, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (more: string) => {
        text += more;
      });
      response.on("end", () => resolve({ status: response.statusCode!, headers: response.headers, text }));
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

const newRun = { name: "x", config: {}, seed: 0, codeVersion: "0" };
const json = { "content-type": "application/json" };

test("only the page itself is answered, under the names of this machine", async () => {
  await using ui = await startUi({ home, port: 0 });
  const { origin, port } = new URL(ui.address);
  const page = await ask(ui.address);
  assert.equal(page.status, 200);
  const policy = String(page.headers["content-security-policy"]);
  assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self';/);
  assert.ok(!policy.includes("unsafe"));
  assert.equal(page.headers["x-content-type-options"], "nosniff");
  assert.ok(!/<script>|<style>| on\w+=/.test(page.text), "nothing inline");

  const runs = `${origin}/api/runs`;
  assert.equal((await ask(runs)).status, 200);
  assert.equal((await ask(runs, { host: `localhost:${port}` })).status, 200);
  // A name that somebody turned to this machine, and another port.
  assert.equal((await ask(runs, { host: `evil.example:${port}` })).status, 421);
  assert.equal((await ask(runs, { host: "127.0.0.1:1" })).status, 421);
  assert.equal((await ask(runs, { origin: "http://evil.example" })).status, 403);
  assert.equal((await ask(runs, { origin: `http://localhost:${port}` })).status, 403);
  assert.equal((await ask(runs, { "sec-fetch-site": "cross-site" })).status, 403);
  assert.equal(
    (await ask(runs, { "sec-fetch-site": "same-site", "sec-fetch-mode": "navigate" })).status,
    403,
  );
  // A link from elsewhere leads to the page.
  assert.equal(
    (await ask(ui.address, { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" })).status,
    200,
  );
});

test("tags and notes are all that is written, by the page alone, and as they should be", async () => {
  let id = "";
  {
    using store = new RunStore(home);
    id = store.createRun(newRun).id;
    store.setStatus(id, "finished", null, { step: 3 });
  }
  await using ui = await startUi({ home, port: 0 });
  const { origin } = new URL(ui.address);
  const place = `${origin}/api/runs/${id}/annotation`;
  const body = JSON.stringify({ tags: ["a", "a", "<b>"], note: "n" });
  assert.equal((await ask(place, json, "POST", body)).status, 403);
  assert.equal((await ask(place, { ...json, origin: "http://evil.example" }, "POST", body)).status, 403);
  assert.equal((await ask(place, { origin, "content-type": "text/plain" }, "POST", body)).status, 400);
  assert.equal((await ask(place, { ...json, origin }, "POST", "{")).status, 400);
  for (const wrong of [
    { tags: [""], note: "" },
    { tags: [], note: 1 },
    { tags: [], note: "", status: "failed" },
  ])
    assert.equal((await ask(place, { ...json, origin }, "POST", JSON.stringify(wrong))).status, 400);
  assert.equal(
    (await ask(`${origin}/api/runs/none/annotation`, { ...json, origin }, "POST", body)).status,
    404,
  );
  assert.equal((await ask(place, { ...json, origin }, "POST", body)).status, 200);
  using store = new RunStore(home, { readOnly: true });
  const { tags, note, status, summary } = store.getRun(id);
  assert.deepEqual(
    { tags, note, status, summary },
    { tags: ["a", "<b>"], note: "n", status: "finished", summary: { step: 3 } },
  );
  for (const method of ["PUT", "DELETE", "POST"])
    assert.equal((await ask(`${origin}/api/runs/${id}`, { origin }, method)).status, 404);
});

test("files are those of runs, by the names that they have", async () => {
  let directory = "";
  let id = "";
  {
    using store = new RunStore(home);
    ({ id, directory } = store.createRun(newRun));
  }
  writeFileSync(path.join(home, "secret-00000001.png"), "secret");
  mkdirSync(path.join(directory, "pictures"));
  writeFileSync(path.join(directory, "pictures", "digits-00000010.png"), "png");
  writeFileSync(path.join(directory, "pictures", "other.txt"), "other");
  symlinkSync(path.join(home, "secret-00000001.png"), path.join(directory, "pictures", "link-00000020.png"));
  await using ui = await startUi({ home, port: 0 });
  const { origin } = new URL(ui.address);
  const of = (name: string) => ask(`${origin}/api/runs/${id}/pictures/${name}`);
  const found = await of("digits-00000010.png");
  assert.deepEqual([found.status, found.headers["content-type"], found.text], [200, "image/png", "png"]);
  for (const name of [
    "other.txt",
    "link-00000020.png",
    "..%2F..%2F..%2Fsecret-00000001.png",
    "%2e%2e",
    "digits-00000010.png%00",
    "%E0%A4%A",
  ])
    assert.equal((await of(name)).status, 404, name);
  for (const place of [
    "/../package.json",
    "/%2e%2e/rotor.sqlite",
    "/api/runs/../../rotor.sqlite",
    "/api/runs/..%2f..",
  ])
    assert.equal((await ask(`${origin}${place}`)).status, 404, place);
});

test("elsewhere than on loopback a token is asked for, once", async () => {
  await using ui = await startUi({ home, host: "0.0.0.0", port: 0 });
  const address = new URL(ui.address);
  // What is printed can be opened elsewhere.
  assert.notEqual(address.hostname, "0.0.0.0");
  assert.match(address.search, /^\?token=[\w-]{32}$/);
  assert.equal((await ask(`${address.origin}/`)).status, 401);
  assert.equal((await ask(`${address.origin}/api/runs`)).status, 401);
  assert.equal((await ask(`${address.origin}/?token=wrong`)).status, 401);
  const signed = await ask(address.href);
  assert.deepEqual([signed.status, signed.headers.location], [303, "/"]);
  const set = String(signed.headers["set-cookie"]);
  assert.match(set, /HttpOnly; SameSite=Lax/);
  const cookie = set.split(";")[0]!;
  assert.equal((await ask(`${address.origin}/api/runs`, { cookie })).status, 200);
  assert.equal((await ask(`${address.origin}/api/runs`, { cookie: `${cookie.slice(0, -1)}~` })).status, 401);
  assert.equal(
    (await ask(`${address.origin}/api/runs`, { cookie, host: `evil.example:${address.port}` })).status,
    421,
  );
});

test("a port in use, and a store of a newer version, are said in a line", async () => {
  await using ui = await startUi({ home, port: 0 });
  const { origin, port } = new URL(ui.address);
  await assert.rejects(startUi({ home, port: Number(port) }), (error) => {
    assert.ok(error instanceof ConfigError);
    assert.match(error.message, /^ui 127\.0\.0\.1:\d+: the port is in use/);
    return true;
  });
  // Two servers of one home, side by side.
  await using other = await startUi({ home, port: 0 });
  assert.equal((await ask(`${new URL(other.address).origin}/api/runs`)).status, 200);
  {
    using database = new DatabaseSync(runStoreFile(home));
    database.exec("PRAGMA user_version = 99");
  }
  const { status, text } = await ask(`${origin}/api/runs`);
  assert.equal(status, 409);
  const { error } = JSON.parse(text) as { error: { code: string; message: string } };
  assert.equal(error.code, "ROTOR_RUN_STORE");
  assert.match(error.message, /has version 99, this Rotor knows 4: update Rotor/);
});

/** A run with checkpoints of these steps, as far as the page looks at them. */
function runWithCheckpoints(...steps: number[]) {
  using store = new RunStore(home);
  const run = store.createRun(newRun);
  mkdirSync(path.join(run.directory, "checkpoints"), { recursive: true });
  for (const step of steps)
    for (const ending of ["safetensors", "json"])
      writeFileSync(
        path.join(run.directory, "checkpoints", `step-${String(step).padStart(8, "0")}.${ending}`),
        "",
      );
  return run;
}

test("a measurement is started for a checkpoint that is there, one at a time, and stopped", async () => {
  const { id } = runWithCheckpoints(10, 20);
  // One says how far it is and goes on until it is ended; the other fails.
  const programs: Record<number, string> = {
    10: 'process.send({ done: 1, total: 2 }); process.on("disconnect", () => {})',
    20: 'console.error("a note\\nrotor: the data is gone"); process.exitCode = 1',
  };
  const asked: MeasureQuestion[] = [];
  await using ui = await startUi({
    home,
    port: 0,
    measure(question) {
      asked.push(question);
      return spawn(process.execPath, ["-e", programs[question.step]!], {
        stdio: ["ignore", "ignore", "pipe", "ipc"],
      });
    },
  });
  const { origin } = new URL(ui.address);
  const post = async (place: string, body: unknown) => {
    const { status, text } = await ask(
      `${origin}${place}`,
      { ...json, origin },
      "POST",
      JSON.stringify(body),
    );
    return { status, ...(JSON.parse(text) as { status?: string; error?: { message: string } }) };
  };
  const state = async () =>
    JSON.parse((await ask(`${origin}/api/runs/${id}/measurements`)).text) as MeasurementsView;
  const before = await state();
  assert.deepEqual([before.checkpoints, before.measurements, before.job], [[10, 20], [], null]);

  const place = `/api/runs/${id}/measure`;
  assert.equal((await ask(`${origin}${place}`, json, "POST", '{"step":10}')).status, 403);
  for (const body of [{}, { step: "10" }, { step: 10, samples: 1 }, { step: 10, html: "/tmp/x" }])
    assert.equal((await post(place, body)).error?.message.startsWith("measure: "), true);
  assert.match((await post(place, { step: 11 })).error!.message, /has no checkpoint of step 11/);
  assert.equal((await state()).job, null);

  const jobWhen = async (isWanted: (job: MeasureJobView) => boolean) => {
    for (;;) {
      const { job } = await state();
      if (job !== null && isWanted(job)) return job;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  assert.equal((await post(place, { step: 10, samples: 16 })).status, "running");
  const second = await post(place, { step: 20 });
  assert.match(second.error!.message, /step 10 of run \S+ is being measured; expected one at a time/);
  const going = await jobWhen(({ total }) => total !== null);
  assert.deepEqual([going.status, going.done, going.total], ["running", 1, 2]);
  assert.equal((await post("/api/measure/stop", {})).status, "stopped");
  assert.equal((await post(place, { step: 20 })).status, "running");
  assert.deepEqual(await jobWhen(({ status }) => status !== "running"), {
    ...{ run: id, step: 20, done: 0, total: null },
    ...{ status: "failed", message: "the data is gone" },
  });
  assert.deepEqual(asked, [
    { run: id, step: 10, samples: 16 },
    { run: id, step: 20 },
  ]);
});
