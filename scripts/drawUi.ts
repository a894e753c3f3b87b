// Takes the pictures of docs/ui.md with a real Chromium, of trainings that it runs itself.
import { spawnSync } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import sharp from "sharp";
import { findChromium } from "../tests/browser/chromium.ts";
import { main, temporaryFolder } from "../tests/command.ts";
import { plantSweep } from "../tests/uiFixtures.ts";
import { startUiCommand } from "../tests/uiServer.ts";

const pictures = fileURLToPath(new URL("../docs/pictures", import.meta.url));
using folder = temporaryFolder();
const rotor = (...args: string[]) => {
  const { status, stderr } = spawnSync(process.execPath, [main, ...args], {
    cwd: folder.path,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
};
for (const [name, rate] of [
  ["muon-0.02", 0.02],
  ["muon-0.05", 0.05],
] as const)
  rotor(
    ...["train", "tiny", "--name", name, "--noise-scale", "5"],
    ...["--set", `optimizer.learningRate=${rate}`, "--set", "training.spectraEvery=5"],
    ...["--set", "training.evalEvery=20", "--set", "training.sampleEvery=40", "--set", "training.steps=240"],
  );
const sweep = await plantSweep(path.join(folder.path, ".rotor"), "tiny-rates");
rotor("measure", "muon-0.02", "--samples", "64", "--probes", "4");
const executablePath = findChromium();
if (executablePath === null)
  throw new Error("no Chromium found; name one in the environment variable CHROMIUM");
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
try {
  await using ui = await startUiCommand(folder.path);
  const page = await browser.newPage({ viewport: { width: 1180, height: 760 }, locale: "en-GB" });
  const take = async (name: string) => {
    const shot = await page.screenshot();
    // Few colours: small files.
    await sharp(shot)
      .png({ palette: true, colours: 64, effort: 10 })
      .toFile(path.join(pictures, `${name}.png`));
  };
  await page.goto(ui.address);
  await page.getByText("muon-0.05").waitFor();
  await page.locator("table polyline").first().waitFor();
  await take("ui-runs");
  await page.getByRole("link", { name: "muon-0.02" }).click();
  await page.locator(".plot canvas").first().waitFor();
  await page.getByRole("heading", { name: "Curves" }).scrollIntoViewIfNeeded();
  await page.evaluate(() => document.querySelector("details.section")?.scrollIntoView());
  await take("ui-run");
  await page.goto(`${ui.address}#/sweep/${sweep}`);
  await page.getByRole("img", { name: /Losses by learning rate/ }).waitFor();
  await page.evaluate(() => document.querySelectorAll("details.section")[1]?.scrollIntoView());
  await take("ui-sweep");
  await page.goto(`${ui.address}#/runs`);
  await page.getByRole("link", { name: "muon-0.02" }).click();
  await page.getByRole("link", { name: "Measure its learning rate" }).click();
  await page.getByRole("img", { name: /^Best learning rate of one step/ }).waitFor();
  await take("ui-measure");
  await page.goto(`${ui.address}#/runs`);
  await page.getByRole("link", { name: "muon-0.02" }).click();
  await page.getByRole("link", { name: "Try it in the playground" }).click();
  await page.getByLabel("Prompt").fill("It was ");
  await page.getByRole("button", { name: "Continue the text" }).click();
  await page.locator(".token").first().waitFor();
  await take("ui-playground");
} finally {
  await browser.close();
}
