import assert from "node:assert/strict";
import { createReadStream, existsSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import { trainWithEngine, trainWithJax } from "./browser/trainTiny.ts";
import { temporaryFolder } from "./command.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Path of a Chromium. */
function findChromium(): string | null {
  const candidates = [
    process.env.CHROMIUM,
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
  ];
  return candidates.find((file) => file !== undefined && existsSync(file)) ?? null;
}

const types: Record<string, string> = {
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

test("a tiny transformer trains in Chromium, through onnxruntime-web and on jax-js itself, as in Node", async (t) => {
  const executablePath = findChromium();
  if (executablePath === null) {
    t.skip("no Chromium found; name one in the environment variable CHROMIUM");
    return;
  }
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
  const server = createServer((request, response) => {
    const url = request.url ?? "/";
    if (url === "/") {
      response.setHeader("content-type", "text/html");
      response.end('<!doctype html><script type="module" src="/page.js"></script>');
      return;
    }
    const base = url.startsWith("/ort/") ? path.join(root, "node_modules/onnxruntime-web/dist") : folder.path;
    const file = path.join(base, path.basename(url));
    if (!existsSync(file)) {
      response.statusCode = 404;
      response.end();
      return;
    }
    response.setHeader("content-type", types[path.extname(file)] ?? "application/octet-stream");
    createReadStream(file).pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const browser = await chromium.launch({
    executablePath,
    args: [
      "--no-sandbox",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--no-first-run",
      "--enable-unsafe-webgpu",
      "--use-webgpu-adapter=swiftshader",
      "--enable-features=Vulkan",
    ],
  });
  try {
    const page = await browser.newPage();
    const problems: string[] = [];
    page.on("pageerror", (error) => problems.push(error.message));
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await page.waitForFunction(() => "trainEverywhere" in window);
    const { engine, jax, device } = await page.evaluate(() => window.trainEverywhere());
    assert.deepEqual(problems, []);
    t.diagnostic(`jax-js ran on ${device}`);
    const [node, nodeJax] = [await trainWithEngine(), await trainWithJax()];
    assert.ok(node.at(-1)! < node[0]!, "the loss falls");
    node.forEach((loss, i) => {
      for (const other of [nodeJax[i]!, engine[i]!, jax[i]!]) {
        // float32 in different orders of summation, over eight steps.
        assert.ok(Math.abs(other - loss) < 2e-3, `step ${i}: ${other} instead of ${loss}`);
      }
    });
  } finally {
    await browser.close();
    server.close();
  }
});
