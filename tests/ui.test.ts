import assert from "node:assert/strict";
import { execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import type { Page } from "playwright-core";
import { launchChromium } from "./chromium.ts";
import { rotor, start, temporaryFolder, writeMicroConfig, writeMicroImages } from "./command.ts";
import { plantRuns, plantSweep } from "./uiFixtures.ts";
import { startUiCommand } from "./uiServer.ts";

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** A page whose errors, and requests to elsewhere, are gathered. */
async function newPage(browser: { newPage(): Promise<Page> }, problems: string[]): Promise<Page> {
  const page = await browser.newPage();
  // States are waited for, however long a busy machine takes.
  page.setDefaultTimeout(60_000);
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(message.text());
  });
  return page;
}

/** Serious faults that axe finds, in a line each. It comes through the debugger, as the page allows no script from elsewhere. */
async function faults(page: Page): Promise<string[]> {
  await page.evaluate(axeSource);
  const found = await page.evaluate(async () => {
    const { axe } = window as unknown as {
      axe: { run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }> };
    };
    return (await axe.run()).violations.map(({ id, impact, nodes }) => ({
      id,
      impact,
      html: nodes[0]?.html,
    }));
  });
  return found
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, html }) => `${id}: ${html}`);
}

test("rotor ui: a training is seen live, stopped and resumed, and tagged", async (t) => {
  const browser = await launchChromium(t);
  if (browser === null) return;
  using folder = temporaryFolder();
  const config = writeMicroConfig(folder.path, {
    training: {
      steps: 100_000,
      batchSize: 4,
      length: 16,
      evalBatches: 2,
      sampleTokens: 8,
      threads: 1,
      logEvery: 5,
    },
  });
  try {
    await using ui = await startUiCommand(folder.path);
    const problems: string[] = [];
    const page = await newPage(browser, problems);
    await page.goto(ui.address);
    // The store isn't there yet.
    await page.getByText("There are no runs yet").waitFor();

    const training = start(folder.path, ["train", config]);
    const name = page.getByRole("link", { name: "micro", exact: true });
    await Promise.race([
      name.waitFor(),
      training.finished.then(({ stderr }) => assert.fail(`the training ended: ${stderr}`)),
    ]);
    await page.getByText("running").waitFor();
    await name.click();
    await page.getByRole("heading", { name: /micro/ }).waitFor();
    const step = async () =>
      Number(
        /^(\d+) \//.exec((await page.locator(".facts .progress").textContent()) ?? "")?.[1] ?? Number.NaN,
      );
    await page.waitForFunction(() =>
      document.querySelector(".facts .progress")?.textContent?.match(/^[1-9]\d* \//),
    );
    const before = await step();
    await page.waitForFunction(
      (seen) => Number.parseInt(document.querySelector(".facts .progress")?.textContent ?? "0", 10) > seen,
      before,
    );
    await page.locator(".plot canvas").first().waitFor();

    training.child.kill("SIGINT");
    assert.equal((await training.finished).code, 130);
    await page.locator(".facts").getByText("interrupted").waitFor();
    const stopped = await step();
    const resumed = start(folder.path, ["train", "--resume"]);
    await page.locator(".facts").getByText("running").waitFor();
    await page.waitForFunction(
      (seen) => Number.parseInt(document.querySelector(".facts .progress")?.textContent ?? "0", 10) > seen,
      stopped,
    );
    await page.getByText(`went on after step ${stopped}`).waitFor();
    resumed.child.kill("SIGINT");
    await resumed.finished;

    await page.getByLabel("Tags").fill("seen");
    await page.getByRole("button", { name: "Add tag" }).click();
    await page.getByRole("button", { name: "Remove tag seen" }).waitFor();
    await page.getByLabel("Note").fill("<img src=x onerror=alert(1)>");
    await page.getByRole("button", { name: "Save", exact: true }).click();
    await page.getByText("Saved.").waitFor();
    const { stdout } = await rotor(folder.path, "runs", "show", "latest", "--json");
    const { tags, note } = JSON.parse(stdout) as { tags: string[]; note: string };
    assert.deepEqual({ tags, note }, { tags: ["seen"], note: "<img src=x onerror=alert(1)>" });

    assert.deepEqual(problems, []);
    assert.deepEqual(await faults(page), []);

    // Its last checkpoint is measured by the real command, beside the server.
    await page.getByRole("link", { name: "Measure its learning rate" }).click();
    await page.getByText("Nothing has been measured yet").waitFor();
    await page.getByLabel("Sequences").fill("8");
    await page.getByRole("button", { name: "Measure", exact: true }).click();
    await page.getByRole("img", { name: /^Best learning rate of one step/ }).waitFor();
    await page.getByText(/^Step \d+ is measured\.$/).waitFor();
    assert.equal(await page.locator("table", { hasText: "Checkpoints" }).locator("tbody tr").count(), 1);
    assert.deepEqual(problems, []);
    assert.deepEqual(await faults(page), []);

    // Its model is asked beside the server, too.
    const [download] = await (async () => {
      await page.getByRole("link", { name: "micro", exact: true }).click();
      await page.getByRole("link", { name: "Try it in the playground" }).click();
      await page.getByRole("button", { name: "Another checkpoint beside it" }).click();
      const panels = page.locator("section.panel");
      await panels.nth(1).waitFor();
      await page.getByLabel("Prompt").fill("the <b>whale</b> ");
      await page.getByLabel("Tokens").fill("3");
      await page.getByRole("button", { name: "Continue the text" }).click();
      for (const panel of [0, 1]) await panels.nth(panel).locator(".token").first().waitFor();
      assert.equal(await page.locator("b").count(), 0);
      // The same model, and the same seed.
      const texts = await page.locator(".continuation").allTextContents();
      assert.equal(texts[0], texts[1]);
      // Of the second token, what is chosen instead comes after the first.
      const first = panels.nth(0);
      const token = (await first.locator(".token").nth(0).textContent())!;
      await first.locator(".token").nth(0).focus();
      await page.keyboard.press("ArrowRight");
      await first.locator('.token[aria-pressed="true"]').nth(0).waitFor();
      assert.equal(await first.locator(".token").nth(1).getAttribute("aria-pressed"), "true");
      const choices = first.getByRole("button", { name: /^Go on with / });
      assert.equal(await choices.count(), 10);
      const choice = (await choices.nth(4).getAttribute("aria-label"))!.replace("Go on with ", "");
      await choices.nth(4).click();
      const begun = `the <b>whale</b> ${token}${choice.replace("␣", " ").replace("⏎", "\n")}`;
      await page.waitForFunction(
        (text) => document.querySelector(".continuation")?.textContent?.startsWith(text),
        begun,
      );
      await first.locator("summary").click();
      await first.getByRole("button", { name: "Show attention" }).click();
      await first.getByRole("img", { name: /^Head 2: on average \d+ % on the first token/ }).waitFor();
      await first.getByRole("img", { name: /^Head 1/ }).focus();
      await page.keyboard.press("ArrowDown");
      await first.getByRole("img", { name: /^Head 1: h \(2\) attends to t \(1\): / }).waitFor();
      assert.deepEqual(problems, []);
      assert.deepEqual(await faults(page), []);
      return Promise.all([
        page.waitForEvent("download"),
        page.getByRole("button", { name: "Save page" }).click(),
      ]);
    })();
    const saved = path.join(folder.path, "playground.html");
    await download.saveAs(saved);

    const images = await writeMicroImages(folder.path);
    assert.equal((await rotor(folder.path, "train", images)).code, 0);
    await page.goto(ui.address);
    await page.getByRole("link", { name: "micro-vq", exact: true }).click();
    await page.getByRole("link", { name: "Try it in the playground" }).click();
    await page.getByText("Atlas: codes 0 to 19 of 20").waitFor();
    for (const code of [3, 12])
      await page.getByRole("button", { name: new RegExp(`^code ${code}(,|$)`) }).click();
    await page.getByRole("img", { name: "100 % of the way" }).waitFor();
    assert.deepEqual(problems, []);
    assert.deepEqual(await faults(page), []);

    await page.goto(ui.address);
    await page.getByText("seen").waitFor();
    assert.deepEqual(await faults(page), []);

    const offline = await newPage(await browser.newContext({ offline: true }), problems);
    await offline.goto(pathToFileURL(saved).href);
    await offline.locator(".token").first().waitFor();
    await offline.getByRole("img", { name: /^Head 2/ }).waitFor();
    assert.equal(await offline.getByRole("button", { name: "Continue the text" }).count(), 0);
    assert.deepEqual(problems, []);
    assert.deepEqual(await faults(offline), []);
  } finally {
    await browser.close();
  }
});

const hostile = "<img src=x onerror=alert(1)>";

/** Losses of a law: the best learning rate at batch size B is 0.02/√(1 + 16/B). The losses' column is named as no markup may be; another holds them negated. */
function tableOfRuns(): string {
  const rows = [4, 8, 16, 32].flatMap((batch) =>
    Array.from({ length: 9 }, (_, i) => {
      const rate = 0.001 * 2 ** i;
      const distance = Math.log(rate / (0.02 / Math.sqrt(1 + 16 / batch)));
      const loss = 2 + 0.1 * (Math.expm1(distance) - distance) + 0.004 * Math.sin(7 * i + batch);
      return [
        [batch, rate, loss, -loss, "adam"],
        [batch, rate, loss + 0.3, -loss - 0.3, "muon"],
      ].map((cells) => cells.join());
    }).flat(),
  );
  return `size,step size,${hostile},merit,optimizer\n${rows.join("\n")}\n`;
}

/** Equal but for the last digits: browsers and Node may be of different versions of V8. */
function assertClose(actual: unknown, expected: unknown, place = ""): void {
  if (typeof actual === "number" && typeof expected === "number")
    assert.ok(
      Math.abs(actual - expected) <= 1e-6 * Math.max(1e-3, Math.abs(expected)),
      `${place}: ${actual}`,
    );
  else if (
    typeof actual === "object" &&
    actual !== null &&
    typeof expected === "object" &&
    expected !== null
  ) {
    assert.deepEqual(Object.keys(actual), Object.keys(expected), place);
    for (const [key, value] of Object.entries(actual))
      assertClose(value, (expected as Record<string, unknown>)[key], `${place}.${key}`);
  } else assert.deepEqual(actual, expected, place);
}

/** Drops tables upon the page, which is told what they lack, and compares with the commands that it names. @returns the last page, saved */
async function fitDroppedTables(
  page: Page,
  folder: string,
  address: string,
  saved: (name: string) => Promise<string>,
): Promise<string> {
  const drop = async (name: string, data: Uint8Array | string) => {
    writeFileSync(path.join(folder, name), data);
    const transfer = await page.evaluateHandle(
      ([file, base64]) => {
        const bytes = Uint8Array.from(atob(base64!), (letter) => letter.charCodeAt(0));
        const made = new DataTransfer();
        made.items.add(new File([bytes], file!));
        return made;
      },
      [name, Buffer.from(data).toString("base64")],
    );
    await page.dispatchEvent("main", "drop", { dataTransfer: transfer });
  };
  const write = async (label: string, text: string) => {
    await page.getByLabel(label).fill(text);
    await page.keyboard.press("Enter");
  };
  const sameAsCommand = async (command: string) => {
    await page.getByText(command, { exact: true }).waitFor();
    await page.locator('div[aria-busy="false"]').waitFor();
    const words = execFileSync("sh", ["-c", `printf '%s\\n' ${command}`], { encoding: "utf8" });
    const { stdout, stderr } = await rotor(folder, ...words.trim().split("\n").slice(1), "--json");
    assert.equal(stderr, "");
    assertClose(JSON.parse(readFileSync(await saved("JSON"), "utf8")), JSON.parse(stdout));
  };
  await page.goto(`${address}#/sweeps`);
  await page.getByText("Open a table of runs").waitFor();
  const sent: string[] = [];
  page.on("request", (request) =>
    sent.push(`${request.method()} ${new URL(request.url()).pathname} ${request.postData()}`),
  );
  const table = tableOfRuns();
  await drop("results.csv", table);
  await page.getByText('no column for batch size, loss; found "size", "step size", "<img').waitFor();
  await write("Batch size (--batch)", "size");
  await write("Loss (--loss)", hostile);
  await write("Rows (--where)", "optimizer=muon");
  await sameAsCommand(`rotor fit results.csv --batch size --loss '${hostile}' --where optimizer=muon`);
  await page.getByRole("img", { name: /Losses by learning rate/ }).waitFor();

  await drop("results.sqlite", "SQLite format 3\0");
  await page
    .getByText("results.sqlite: is a SQLite store, which is read by rotor fit results.sqlite")
    .waitFor();
  await drop("results.csv.gz", gzipSync(table));
  await page.getByText("no column for batch size, loss; found").waitFor();
  await write("Batch size (--batch)", "size");
  await write("Loss (--loss)", "merit");
  await page.getByLabel("Better is (--minimize, --maximize)").selectOption("maximize");
  await write("Groups (--by)", "optimizer");
  await write("At batch sizes (--at)", "optimizer=muon,batch=64");
  const command =
    "rotor fit results.csv.gz --batch size --loss merit --maximize --by optimizer --at optimizer=muon,batch=64";
  await sameAsCommand(command);
  await page
    .locator("label", { hasText: /^Group / })
    .locator("select")
    .selectOption("optimizer muon");
  assert.equal(await page.locator("img").count(), 0);
  // Nothing was asked of anybody, not even of the page's own server.
  assert.deepEqual(sent, []);
  const file = await saved("Save page");
  assert.deepEqual(sent, ['POST /api/share {"place":"#/fit","answers":[],"files":[]}']);
  return file;
}

test("rotor ui: runs are compared, a sweep is fitted, and pages are saved that load nothing", async (t) => {
  const browser = await launchChromium(t);
  if (browser === null) return;
  using folder = temporaryFolder();
  const home = path.join(folder.path, ".rotor");
  const ids = plantRuns(home, [
    { name: "first", steps: 400, seed: 0 },
    { name: "first", steps: 400, seed: 1 },
    { name: hostile, steps: 300, seed: 2, config: { name: hostile, data: { tokenizer: "</script>" } } },
  ]);
  const sweep = await plantSweep(home, "planted");
  plantRuns(home, [{ name: "trial", steps: 20, seed: 0, trial: `${sweep}-1` }]);
  try {
    await using ui = await startUiCommand(folder.path);
    const problems: string[] = [];
    const page = await newPage(browser, problems);
    const check = async (what: string) => {
      assert.deepEqual(problems, [], what);
      assert.deepEqual(await faults(page), [], what);
    };

    await page.goto(ui.address);
    await page.getByText(hostile).waitFor();
    assert.equal(await page.locator("img").count(), 0);
    // The latest is what a person started, and a trial is folded under its sweep.
    assert.match((await page.locator("tr", { hasText: "latest" }).textContent())!, /onerror/);
    assert.equal(await page.getByRole("link", { name: "trial", exact: true }).count(), 0);
    await page.getByRole("button", { name: sweep }).click();
    await page.getByRole("link", { name: "trial", exact: true }).waitFor();
    await page.getByRole("button", { name: "Step" }).click();
    assert.equal(await page.locator('th[aria-sort="ascending"]').count(), 1);
    await page.getByLabel("Filter").fill("first");
    await page.getByText("2 of 4 runs").waitFor();
    await page.getByLabel("Filter").fill("");
    for (const id of ids.slice(0, 2)) await page.getByLabel(`Select first ${id}`).check();
    await check("the table of runs");
    await page.getByRole("link", { name: "Compare", exact: true }).last().click();
    await page.getByText("training.seed").waitFor();
    await page.getByLabel("Mean and band over seeds").check();
    await page
      .getByRole("button", { name: /^first, 2 seeds/ })
      .first()
      .waitFor();
    // The keyboard zooms.
    const plot = page.getByRole("img", { name: /Training loss/ });
    await plot.focus();
    await page.keyboard.press("+");
    await page.getByRole("button", { name: "Whole" }).waitFor();
    await page.keyboard.press("0");
    await page.getByRole("button", { name: "Whole" }).waitFor({ state: "detached" });
    await check("the comparison");

    const saved = async (name: string) => {
      const [download] = await Promise.all([
        page.waitForEvent("download"),
        page.getByRole("button", { name }).first().click(),
      ]);
      const file = path.join(folder.path, download.suggestedFilename());
      await download.saveAs(file);
      return file;
    };
    const picture = readFileSync(await saved("SVG"), "utf8");
    assert.match(picture, /^<svg [\s\S]*<path d="M[\s\S]*<\/svg>\n$/);
    assert.match(readFileSync(await saved("CSV"), "utf8"), /^series,steps,/);
    const compared = await saved("Save page");

    await page.goto(`${ui.address}#/run/${ids[2]}`);
    await page.getByRole("heading", { name: hostile }).waitFor();
    await page.locator(".plot canvas").first().waitFor();
    await check("a run with a hostile name");
    const hostileRun = await saved("Save page");

    await page.goto(`${ui.address}#/sweep/${sweep}`);
    // At batch size 16 the law says 0.02/√2.
    const row = page.locator("table", { hasText: "Best of each batch size" }).locator("tr", {
      has: page.locator("th", { hasText: /^16$/ }),
    });
    await row.waitFor();
    const best = Number(await row.locator("td").first().textContent());
    assert.ok(Math.abs(Math.log(best / (0.02 / Math.SQRT2))) < 0.3, `${best}`);
    await page.getByRole("img", { name: /Losses by learning rate/ }).waitFor();
    await page.getByText("36 of 36 trials have ended").waitFor();
    await check("a sweep");
    const swept = await saved("Save page");

    await page.goto(`${ui.address}#/playground/positions?layout=mrope`);
    await page.getByRole("img", { name: /^Where mrope puts the tokens/ }).waitFor();
    await page.getByRole("button", { name: "Draw text:1 image:1x2 text:1" }).click();
    await page.getByText("Largest position 3 in 4 tokens").waitFor();
    assert.equal(await page.getByLabel("Document").inputValue(), "text:1 image:1x2 text:1");
    await check("positions");
    const placed = await saved("Save page");

    // On a phone no page is wider than the screen.
    await page.setViewportSize({ width: 390, height: 800 });
    for (const place of [
      "#/runs",
      `#/run/${ids[0]}`,
      `#/compare?run=${ids[0]}&run=${ids[1]}`,
      `#/measure?run=${ids[0]}`,
      `#/playground?at=${ids[0]}&at=${ids[1]}`,
      "#/playground/positions?layout=mrope&layout=tie-v2",
      "#/playground/codes",
      `#/sweep/${sweep}`,
    ]) {
      await page.goto(`${ui.address}${place}`);
      await page.locator("h1").waitFor();
      await page.waitForFunction(() => document.documentElement.scrollWidth <= innerWidth);
    }
    await page.getByRole("button", { name: "中文" }).click();
    await page.getByRole("heading", { name: "答案" }).waitFor();
    await page.locator(".settings select").selectOption("dark");
    await check("a sweep in Chinese, dark, on a phone");
    await page.getByRole("button", { name: "English" }).click();
    const fitted = await fitDroppedTables(page, folder.path, ui.address, saved);
    await check("a table that was dropped");

    const missing = await newPage(browser, []);
    await missing.goto(`${ui.address}#/run/none`);
    await missing.getByText(/run "none": isn't in the store/).waitFor();

    // Saved pages from the disk, without a network.
    const offline = await browser.newContext({ offline: true, viewport: { width: 1200, height: 900 } });
    for (const [file, text] of [
      [compared, "training.seed"],
      [hostileRun, hostile],
      [swept, "Best of each batch size"],
      [placed, "Largest position 3 in 4 tokens"],
      [fitted, "rotor fit results.csv.gz"],
    ] as const) {
      const own = await newPage(offline, problems);
      own.on("request", (request) => {
        if (!/^(file|data|blob):/.test(request.url())) problems.push(request.url());
      });
      await own.goto(pathToFileURL(file).href);
      await own.getByText(text).first().waitFor();
      await own.locator("canvas, .picture").first().waitFor();
      assert.deepEqual(await faults(own), [], file);
    }
    assert.deepEqual(problems, []);
  } finally {
    await browser.close();
  }
});

/** The address of the page beside a command. */
function pageOf({ child, finished }: ReturnType<typeof start>): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.stderr!.on("data", (more: string) => {
      text += more;
      const match = /^page: (http:\S+)$/m.exec(text);
      if (match !== null) resolve(match[1]!);
    });
    void finished.then(({ stderr }) => reject(new Error(stderr)));
  });
}

test("rotor train --ui: the page is there while it trains, and ends with it", async () => {
  using folder = temporaryFolder();
  const config = writeMicroConfig(folder.path, {
    training: { steps: 100_000, batchSize: 4, length: 16, evalBatches: 2, sampleTokens: 8, threads: 1 },
  });
  const { child, finished } = start(folder.path, ["train", config, "--ui", "0", "--json"]);
  const address = await pageOf({ child, finished });
  const statusOfRuns = async () => {
    const { runs } = (await (await fetch(`${address}api/runs`)).json()) as {
      runs: { status: string; step: number }[];
    };
    return runs[0];
  };
  while (((await statusOfRuns())?.step ?? 0) === 0) await new Promise((resolve) => setTimeout(resolve, 100));
  child.kill("SIGINT");
  const { code, stdout } = await finished;
  assert.equal(code, 130);
  assert.equal((JSON.parse(stdout) as { status: string }).status, "interrupted");
  await assert.rejects(fetch(address));

  const refused = await rotor(folder.path, "train", config, "--ui", "x");
  assert.deepEqual([refused.code, /option '--ui \[port\]'/.test(refused.stderr)], [2, true]);
});

test("rotor ui under a process manager with a channel of its own prints its address", async () => {
  using folder = temporaryFolder();
  const main = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));
  // As pm2 starts its programs; one that a training started may have left its variable behind.
  const env = { ...process.env, ROTOR_UI_BESIDE: "1" };
  const child = fork(main, ["ui", "--port", "0"], { cwd: folder.path, silent: true, env });
  const ended = once(child, "exit");
  try {
    const [text] = (await once(child.stdout!.setEncoding("utf8"), "data")) as [string];
    assert.match(text, /^http:\/\/127\.0\.0\.1:\d+\/ {2}shows /);
  } finally {
    child.kill("SIGINT");
  }
  assert.deepEqual(await ended, [0, null]);
});

test("rotor sweep --ui: a busy port is said before anything is trained; the page shows the trials and ends with them", async () => {
  using folder = temporaryFolder();
  writeMicroConfig(folder.path, {
    training: { steps: 100_000, batchSize: 4, length: 16, evalBatches: 2, sampleTokens: 8, threads: 1 },
  });
  writeFileSync(
    path.join(folder.path, "sweep.json"),
    JSON.stringify({
      name: "pair",
      base: "micro.json",
      parameters: { "optimizer.adamw.learningRate": [0.01, 0.02] },
    }),
  );
  {
    await using other = await startUiCommand(folder.path);
    const { port } = new URL(other.address);
    for (const args of [
      ["sweep", "sweep.json", "--ui", port],
      ["train", "micro.json", "--ui", port],
    ]) {
      const { code, stderr } = await rotor(folder.path, ...args);
      assert.equal(code, 1);
      assert.match(stderr, /^rotor: --ui: ui 127\.0\.0\.1:\d+: the port is in use[^\n]*\n$/);
    }
    const { runs } = (await (await fetch(`${other.address}api/runs`)).json()) as { runs: unknown[] };
    const { sweeps } = (await (await fetch(`${other.address}api/sweeps`)).json()) as { sweeps: unknown[] };
    assert.deepEqual([runs, sweeps], [[], []]);
  }

  const { child, finished } = start(folder.path, ["sweep", "sweep.json", "--ui", "0"]);
  const address = await pageOf({ child, finished });
  const running = async () => {
    const { sweeps } = (await (await fetch(`${address}api/sweeps`)).json()) as {
      sweeps: { name: string; counts: { running: number } }[];
    };
    return sweeps.some(({ name, counts }) => name === "pair" && counts.running > 0);
  };
  while (!(await running())) await new Promise((resolve) => setTimeout(resolve, 100));
  child.kill("SIGINT");
  assert.equal((await finished).code, 130);
  await assert.rejects(fetch(address));
});
