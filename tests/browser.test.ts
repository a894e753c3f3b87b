import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { findChromium, noChromium, openChromium, serve } from "./browser/chromium.ts";
import { batchBytes, trainWithEngine, trainWithJax } from "./browser/trainTiny.ts";
import { temporaryFolder } from "./command.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

test("a tiny transformer trains in Chromium, through onnxruntime-web on CPU and GPU and on jax-js itself, as in Node", async (t) => {
  const executablePath = findChromium();
  if (executablePath === null) return t.skip(noChromium);
  using folder = temporaryFolder();
  await build({
    entryPoints: [path.join(root, "tests/browser/page.ts")],
    outfile: path.join(folder.path, "page.js"),
    bundle: true,
    format: "esm",
    platform: "browser",
    conditions: ["browser"],
    logLevel: "silent",
  });
  writeFileSync(
    path.join(folder.path, "index.html"),
    '<!doctype html><script type="module" src="/page.js"></script>',
  );
  using server = await serve({
    "/": folder.path,
    "/ort/": path.join(root, "node_modules/onnxruntime-web/dist"),
  });
  const browser = await openChromium(executablePath, path.join(folder.path, "storage"));
  try {
    const page = await browser.newPage();
    const problems: string[] = [];
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
    await page.goto(server.address);
    await page.waitForFunction(() => "trainEverywhere" in window);
    const { cpu, gpu, jax, device } = await page.evaluate(() => window.trainEverywhere());
    assert.deepEqual(problems, []);
    t.diagnostic(`jax-js ran on ${device}`);
    const [node, nodeJax] = [await trainWithEngine(), await trainWithJax()];
    const { losses } = node;
    assert.ok(losses.at(-1)! < losses[0]!, "the loss falls");
    losses.forEach((loss, i) => {
      for (const other of [nodeJax[i]!, cpu.losses[i]!, gpu.losses[i]!, jax[i]!]) {
        // float32 in different orders of summation, over eight steps.
        assert.ok(Math.abs(other - loss) < 2e-3, `step ${i}: ${other} instead of ${loss}`);
      }
    });
    // The state goes up once and stays; then a step takes its batch up and its loss down.
    assert.deepEqual(cpu.transferred.at(-1), { up: 0, down: 0 });
    gpu.transferred.forEach((bytes, i) => {
      assert.deepEqual(bytes, { up: gpu.stateBytes + (i + 1) * batchBytes, down: 4 * (i + 1) });
    });
    // The same steps again give the same bits, and what is read is what was trained.
    assert.equal(gpu.repeats, true);
    assert.equal(gpu.state.length, node.state.length);
    gpu.state.forEach((value, i) => {
      assert.ok(Math.abs(value - node.state[i]!) < 2e-3, `place ${i}: ${value} instead of ${node.state[i]}`);
    });
    assert.match(gpu.refusal, /can't be read at once in a browser: load\(\) it/);

    await t.test("a lost device is named as such, and by steps that follow", async () => {
      const messages = await page.evaluate(() => window.loseDevice());
      for (const message of messages)
        assert.match(
          message,
          /^ROTOR_DEVICE_LOST device "gpu": is lost, with what was in its memory \(.+\); reload the page$/,
        );
    });
  } finally {
    await browser.close();
  }
});
