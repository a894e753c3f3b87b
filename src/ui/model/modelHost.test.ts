import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { ConfigError, RotorError } from "../../errors.ts";
import { ModelHost } from "./modelHost.ts";
import type { AttentionQuestion } from "./modelQuestion.ts";

const folder = mkdtempSync(path.join(tmpdir(), "rotor-model-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const program = path.join(folder, "model.mjs");
/** Answers with its process and what it was asked; waits until it is cancelled, fails or ends, as it is told. */
writeFileSync(
  program,
  `let waiting = null;
process.on("disconnect", () => process.exit());
process.on("message", ({ id, question, cancel }) => {
  if (cancel) return void (waiting === id && process.send({ id, error: { code: "ROTOR_CONFIG", message: "taken back" } }));
  const { prompt } = question;
  if (prompt === "wait") { waiting = id; return; }
  if (prompt === "wrong") return process.send({ id, error: { code: "ROTOR_CONFIG", message: "wrong" } });
  if (prompt === "damaged") return process.send({ id, error: { code: "ROTOR_CHECKPOINT", message: "damaged" } });
  if (prompt === "die") { console.error("out of memory"); process.exit(3); }
  process.send({ id, answer: { pid: process.pid, prompt, home: process.argv[2] } });
});
`,
);

const question = (prompt: string): AttentionQuestion => ({
  kind: "attention",
  run: "r",
  step: 1,
  prompt,
  layer: 0,
});

const host = (idle?: number) => new ModelHost("home", { program, ...(idle === undefined ? {} : { idle }) });

async function asked(model: ModelHost, prompt: string, signal = new AbortController().signal) {
  return (await model.ask(question(prompt), signal)) as unknown as {
    pid: number;
    prompt: string;
    home: string;
  };
}

test("one process answers question after question; its errors are told as they are", async () => {
  await using model = host();
  assert.equal(model.isUp, false);
  const [first, second] = await Promise.all([asked(model, "a"), asked(model, "b")]);
  assert.deepEqual([first.prompt, second.prompt, first.home], ["a", "b", "home"]);
  assert.equal(first.pid, second.pid);
  await assert.rejects(
    asked(model, "wrong"),
    (error) => error instanceof ConfigError && error.message === "wrong",
  );
  await assert.rejects(
    asked(model, "damaged"),
    (error) => error instanceof RotorError && error.code === "ROTOR_CHECKPOINT",
  );
  assert.equal((await asked(model, "c")).pid, first.pid);
});

test("a question is taken back while it is answered, or before; the next one is answered", async () => {
  await using model = host();
  const [first, second] = [new AbortController(), new AbortController()];
  const waits = asked(model, "wait", first.signal);
  const dropped = asked(model, "die", second.signal);
  const last = asked(model, "a");
  second.abort();
  first.abort();
  await assert.rejects(waits, /taken back/);
  await assert.rejects(dropped, /taken back/);
  assert.equal((await last).prompt, "a");
});

test("more than eight waiting questions are refused", async () => {
  await using model = host();
  const controller = new AbortController();
  const waiting = Array.from({ length: 9 }, () => asked(model, "wait", controller.signal));
  const settled = Promise.allSettled(waiting);
  await assert.rejects(asked(model, "a"), /9 questions wait already; expected at most 8/);
  controller.abort();
  assert.ok((await settled).every(({ status }) => status === "rejected"));
  assert.equal((await asked(model, "a")).prompt, "a");
});

test("a process that dies says why, and another one goes on; an idle one ends, as with the server", async () => {
  const model = host(0);
  await assert.rejects(asked(model, "die"), /its process ended \(out of memory\)/);
  const { pid } = await asked(model, "a");
  while (model.isUp) await new Promise((resolve) => setTimeout(resolve, 10));
  const next = await asked(model, "b");
  assert.notEqual(next.pid, pid);
  const pending = assert.rejects(asked(model, "wait"), /taken back/);
  while (!model.isUp) await new Promise((resolve) => setTimeout(resolve, 10));
  await model[Symbol.asyncDispose]();
  await pending;
  assert.equal(model.isUp, false);
});
