import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { decode } from "../src/data/index.ts";
import { exportOnnx, importRun } from "../src/exchange/index.ts";
import { expectedOf, modelFolder } from "../src/exchange/testing/modelFolder.ts";
import { findChromium } from "./browser/chromium.ts";
import { temporaryFolder } from "./command.ts";

const server = fileURLToPath(new URL("../examples/chat/serve.ts", import.meta.url));

test("the page of examples/chat continues a text in Chromium as Transformers does", async (t) => {
  const executablePath = findChromium();
  if (executablePath === null) {
    t.skip("no Chromium found; name one in the environment variable CHROMIUM");
    return;
  }
  using folder = temporaryFolder();
  using source = modelFolder("qwen3");
  const home = path.join(folder.path, ".rotor");
  const { run, imported } = importRun(source.path, { home, name: "chat" });
  const model = path.join(folder.path, "model");
  await exportOnnx(run.id, model, { home });
  const { tokens, greedy } = expectedOf("qwen3");
  const prompt = decode(imported.tokenizer, tokens);
  assert.deepEqual(imported.tokenizer.encode(prompt), tokens);

  const child = spawn(process.execPath, [server, model, "0"], { stdio: ["ignore", "pipe", "inherit"] });
  const closed = once(child, "close");
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  try {
    const page = await browser.newPage();
    const problems: string[] = [];
    page.on("pageerror", (error) => problems.push(error.message));
    await page.goto(line.toString().trim());
    await page.waitForSelector("button:enabled", { timeout: 60_000 });
    await page.fill("[name=prompt]", prompt);
    await page.fill("[name=temperature]", "0");
    await page.click("button");
    const output = page.locator("output[data-ids]");
    await output.waitFor({ state: "attached", timeout: 60_000 });
    const end = greedy.indexOf(imported.tokenizer.endOfText);
    assert.equal(await output.getAttribute("data-ids"), greedy.slice(0, end < 0 ? 64 : end).join());
    assert.deepEqual(problems, []);
    const outside = await page.request.get(`${line.toString().trim()}/model/../../chat.test.ts`);
    assert.equal(outside.status(), 404);
  } finally {
    await browser.close();
    child.kill();
    await closed;
  }
});
