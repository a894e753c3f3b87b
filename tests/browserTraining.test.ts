import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { build } from "vite";
import { findChromium, noChromium, openChromium, serve } from "./browser/chromium.ts";
import { exampleText, rotor, temporaryFolder } from "./command.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const example = path.join(root, "examples/browser-training");

const sizes = { numLayers: 1, modelDim: 16, numHeads: 2, length: 24, batchSize: 2, learningRate: 0.01 };

/** Trains to a step, and waits until it is saved. */
async function trainTo(page: Page, step: number): Promise<void> {
  await page.fill("#steps", String(step));
  await page.click("#start");
  await page.waitForFunction(
    (saved) =>
      document.querySelector("#status")!.textContent!.startsWith(saved) ||
      document.querySelector("#problem")!.textContent !== "",
    `Paused at step ${step}:`,
    { timeout: 0 },
  );
  assert.equal(await page.textContent("#problem"), "");
}

/** The bytes of a checkpoint in the origin's private file system, or null. */
async function checkpointBytes(page: Page, step: number): Promise<number[] | null> {
  return await page.evaluate(
    async (name) => {
      const home = await (await navigator.storage.getDirectory()).getDirectoryHandle("rotor");
      const folder = await home.getDirectoryHandle("browser-training");
      try {
        const file = await (await folder.getFileHandle(name)).getFile();
        return Array.from(new Uint8Array(await file.arrayBuffer()));
      } catch {
        return null;
      }
    },
    `step-${String(step).padStart(8, "0")}.safetensors`,
  );
}

test("examples/browser-training: trains on the GPU, goes on after a reload bit for bit, samples, and exports what the command reads", async (t) => {
  const executablePath = findChromium();
  if (executablePath === null) return t.skip(noChromium);
  using folder = temporaryFolder();
  const site = path.join(folder.path, "site");
  await build({
    root: example,
    logLevel: "error",
    build: { outDir: site },
    // As if the package were installed beside it.
    resolve: { alias: [{ find: /^rotor\/([a-z]+)$/, replacement: `${root}src/$1/index.ts` }] },
  });
  const text = path.join(folder.path, "mine.txt");
  writeFileSync(text, exampleText());
  using server = await serve({ "/": site });
  const browser = await openChromium(executablePath, path.join(folder.path, "storage"));
  try {
    const problems: string[] = [];
    const open = async (): Promise<Page> => {
      const page = await browser.newPage();
      page.setDefaultTimeout(0);
      page.on("pageerror", (error) => problems.push(error.message));
      page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
      await page.goto(server.address);
      await page.waitForFunction(() => document.querySelector("#status")!.textContent !== "");
      return page;
    };
    const page = await open();
    assert.equal(await page.isDisabled("#start"), true);
    for (const [name, value] of Object.entries(sizes)) await page.fill(`#${name}`, String(value));
    await page.setInputFiles("#file", text);
    await page.waitForFunction(() => document.querySelector("#status")!.textContent!.includes("mine.txt"));
    await trainTo(page, 3);
    await trainTo(page, 6);
    const points = (await page.getAttribute("#curve polyline", "points"))!.split(" ");
    assert.equal(points.length, 6);
    const straight = await checkpointBytes(page, 6);
    assert.ok(straight !== null && straight.length > 3 * 4 * 1000);

    await t.test("another page can't open the training at the same time", async () => {
      const other = await browser.newPage();
      const [error] = await Promise.all([other.waitForEvent("pageerror"), other.goto(server.address)]);
      assert.match(error.message, /checkpoints "rotor\/browser-training": another page has them open/);
      await other.close();
    });

    // The last checkpoint is damaged, as if the disk had lost a byte: the one before is used, and the same six steps give the same bits.
    await page.evaluate(async () => {
      const home = await (await navigator.storage.getDirectory()).getDirectoryHandle("rotor");
      const handle = await (await home.getDirectoryHandle("browser-training")).getFileHandle(
        "step-00000006.safetensors",
      );
      const target = await handle.createWritable({ keepExistingData: true });
      await target.write({
        type: "write",
        position: (await handle.getFile()).size - 2,
        data: Uint8Array.of(7),
      });
      await target.close();
    });
    await page.reload();
    await page.waitForFunction(() => document.querySelector("#status")!.textContent !== "");
    assert.match(
      (await page.textContent("#problem"))!,
      /step-00000006.*checksum differs: it is damaged; using/,
    );
    assert.equal(await page.textContent("#status"), "Saved at step 3: start goes on from there.");
    assert.equal(await page.inputValue("#modelDim"), "16");
    await trainTo(page, 6);
    assert.deepEqual(await checkpointBytes(page, 6), straight);

    // The likeliest bytes, here and by the command with the exported file.
    await page.fill("#prompt", "The ");
    await page.fill("#temperature", "0");
    await page.click("#sample");
    await page.waitForFunction(() => document.querySelector<HTMLElement>("#text")!.dataset.done === "true");
    const sampled = (await page.textContent("#text"))!;
    assert.equal(Buffer.byteLength(sampled), sizes.length);
    const [download] = await Promise.all([page.waitForEvent("download"), page.click("#export")]);
    const file = path.join(folder.path, "model.safetensors");
    await download.saveAs(file);
    const imported = await rotor(folder.path, "import", file, "--json");
    assert.equal(imported.code, 0, imported.stderr);
    assert.equal(JSON.parse(imported.stdout).step, 6);
    const tokens = String(sizes.length - "The ".length);
    const command = await rotor(
      folder.path,
      ...["sample", "latest", "--prompt", "The ", "--temperature", "0", "--tokens", tokens, "--raw"],
    );
    assert.equal(command.code, 0, command.stderr);
    assert.equal(command.stdout, `${sampled}\n`);

    await t.test("a damaged file is refused by its name, and nothing is made of it", async () => {
      const damaged = path.join(folder.path, "damaged.safetensors");
      const bytes = (await import("node:fs")).readFileSync(file);
      bytes[bytes.length - 3]! ^= 1;
      writeFileSync(damaged, bytes);
      const { code, stderr } = await rotor(folder.path, "import", damaged);
      assert.equal(code, 1);
      assert.match(stderr, /damaged\.safetensors: checksum differs: it is damaged\n$/);
      const runs = await rotor(folder.path, "runs", "--json");
      assert.equal(JSON.parse(runs.stdout).length, 1);
    });

    await Promise.all([page.waitForEvent("load"), page.click("#forget")]);
    await page.waitForFunction(() => document.querySelector("#status")!.textContent !== "");
    assert.match((await page.textContent("#status"))!, /^A text of \d+ bytes\.$/);
    assert.deepEqual(problems, []);
  } finally {
    await browser.close();
  }
});
