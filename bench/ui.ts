// The page of `rotor ui` with many runs, in a real Chromium: how long until the table can be used, until the page of a run is drawn, how many
// frames a second a zoom makes over ten runs in one plot, and what an open page costs a training. Beside the time on the clock stands that of
// the CPU, of the server and of the page's own thread together: what it would be on a machine with nothing else to do.
//
// npm run bench -- --part ui [--runs 500] [--points 10000] [--rounds 5] [--seconds 4] [--store <folder that keeps the runs>] [--only table,run,zoom,training]
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type CDPSession, chromium, type Page } from "playwright-core";
import { RunStore } from "../src/runs/index.ts";
import { findChromium, noChromium } from "../tests/browser/chromium.ts";
import { writeMicroConfig } from "../tests/command.ts";
import { plantRuns } from "../tests/uiFixtures.ts";
import { figure } from "./figures.ts";

const { values: flags } = parseArgs({
  options: {
    runs: { type: "string", default: "500" },
    points: { type: "string", default: "10000" },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "4" },
    store: { type: "string" },
    only: { type: "string", default: "table,run,zoom,training" },
  },
});
const [runs, points, rounds, seconds] = [flags.runs, flags.points, flags.rounds, flags.seconds].map(
  Number,
) as [number, number, number, number];
const parts = flags.only.split(",");
const main = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));
const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;
const ticksPerSecond = 100;

/** Parent, and seconds of the CPU that a process has used; null for one that has ended. */
function processOf(pid: number | string): { readonly parent: number; readonly seconds: number } | null {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)!.split(" ");
    return {
      parent: Number(fields[1]),
      seconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond,
    };
  } catch {
    return null;
  }
}

const cpuSeconds = ({ pid }: ChildProcess) => processOf(pid!)?.seconds ?? 0;

/** Seconds of a process with all that it started: a browser's pages, what draws them, and itself. */
function treeSeconds({ pid }: ChildProcess): number {
  const known = new Map(
    readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map((name) => [Number(name), processOf(name)]),
  );
  const isInside = (id: number): boolean => id === pid || (id > 1 && isInside(known.get(id)?.parent ?? 0));
  return [...known].reduce((sum, [id, own]) => sum + (isInside(id) ? (own?.seconds ?? 0) : 0), 0);
}

/** A command whose output says that it is ready. */
async function startCommand(
  cwd: string,
  args: readonly string[],
  ready: RegExp,
): Promise<[ChildProcess, string]> {
  const child = spawn(process.execPath, [main, ...args], { cwd, stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  return new Promise((resolve, reject) => {
    child.stdout!.setEncoding("utf8").on("data", (more: string) => {
      text += more;
      const match = ready.exec(text);
      if (match !== null) resolve([child, match[1] ?? ""]);
    });
    child.on("exit", () => reject(new Error(`${args.join(" ")} ended: ${text}`)));
  });
}

/** Seconds of the CPU that the page's own thread has used. */
async function pageSeconds(session: CDPSession): Promise<number> {
  const { metrics } = await session.send("Performance.getMetrics");
  return metrics.find(({ name }) => name === "TaskDuration")!.value;
}

interface Measured {
  readonly clock: number;
  readonly server: number;
  readonly page: number;
}

const shown = (name: string, list: readonly Measured[], note = "") => {
  const of = (key: keyof Measured) => median(list.map((one) => one[key]));
  const busy = median(list.map(({ server, page }) => server + page));
  figure(`${name}, CPU`, 1000 * busy);
  return `${name}: ${(1000 * of("clock")).toFixed(0)} ms on the clock; CPU ${(1000 * busy).toFixed(0)} ms (server ${(1000 * of("server")).toFixed(0)}, page ${(1000 * of("page")).toFixed(0)})${note}`;
};

/** Resolves when a function of the page is true and what follows from it is drawn. */
const drawn = async (page: Page, isThere: () => boolean) => {
  await page.waitForFunction(isThere, undefined, { polling: "raf" });
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve))));
};

const tableIsThere = () => document.querySelectorAll(".runs tbody tr").length >= 100;
const curvesAreThere = () =>
  document.querySelectorAll(".plot .uplot canvas").length >= 3 &&
  [...document.querySelectorAll(".plot .legend .value")].every(({ textContent }) => textContent !== "");

const executablePath = findChromium();
if (executablePath === null) throw new Error(noChromium);
const folder = flags.store ?? mkdtempSync(path.join(tmpdir(), "rotor-bench-"));
const home = path.join(folder, ".rotor");
const launched = await chromium.launchServer({
  executablePath,
  args: ["--no-sandbox", "--disable-background-networking", "--no-first-run"],
});
const browser = await chromium.connect(launched.wsEndpoint());
try {
  if (!existsSync(home))
    plantRuns(
      home,
      Array.from({ length: runs }, (_, seed) => ({
        name: `run ${seed}`,
        steps: points,
        seed,
        metrics: seed >= runs - 10 ? ["gradNorm", "learningRate"] : [],
      })),
    );
  const ids = (() => {
    using store = new RunStore(home, { readOnly: true });
    return store.listRuns(10).map(({ id }) => id);
  })();
  console.log(
    `${cpus()[0]!.model}, ${cpus().length} cores, Node ${process.versions.node}, Chromium ${browser.version()}; ${runs} runs of ${points} points; medians of ${rounds}; load ${loadavg()[0]!.toFixed(1)}`,
  );
  const [server, address] = await startCommand(folder, ["ui", "--port", "0"], /^(http:\S+) /);
  try {
    const open = async () => {
      const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
      const session = await page.context().newCDPSession(page);
      await session.send("Performance.enable", { timeDomain: "threadTicks" });
      return { page, session };
    };
    const measure = async (
      { page, session }: Awaited<ReturnType<typeof open>>,
      act: () => Promise<unknown>,
      isThere: () => boolean,
    ): Promise<Measured> => {
      const [serverBefore, pageBefore, begin] = [
        cpuSeconds(server),
        await pageSeconds(session),
        performance.now(),
      ];
      await act();
      await drawn(page, isThere);
      const clock = (performance.now() - begin) / 1000;
      return {
        clock,
        server: cpuSeconds(server) - serverBefore,
        page: (await pageSeconds(session)) - pageBefore,
      };
    };

    if (parts.includes("table")) {
      const list: Measured[] = [];
      for (let round = 0; round < rounds; round++) {
        const opened = await open();
        list.push(await measure(opened, () => opened.page.goto(address), tableIsThere));
        await opened.page.close();
      }
      console.log(shown("table of all runs, from the address", list));
    }
    if (parts.includes("run")) {
      const list: Measured[] = [];
      for (let round = 0; round < rounds; round++) {
        const opened = await open();
        await opened.page.goto(address);
        await drawn(opened.page, tableIsThere);
        // The small curves come after the table.
        await opened.page.waitForLoadState("networkidle");
        list.push(
          await measure(
            opened,
            () =>
              opened.page.evaluate(
                (id) => {
                  location.hash = `#/run/${id}`;
                },
                ids[round % ids.length]!,
              ),
            curvesAreThere,
          ),
        );
        await opened.page.close();
      }
      console.log(shown("page of a run, from the table", list));
    }
    if (parts.includes("zoom")) {
      const opened = await open();
      const query = ids.map((id) => `run=${id}`).join("&");
      const list = [
        await measure(opened, () => opened.page.goto(`${address}#/compare?${query}`), curvesAreThere),
      ];
      console.log(shown("page of ten runs, from the address", list, "; once"));
      await opened.page.waitForLoadState("networkidle");
      const rates: number[] = [];
      const [cost, all]: [number[], number[]] = [[], []];
      for (let round = 0; round < rounds; round++) {
        const [before, allBefore] = [await pageSeconds(opened.session), treeSeconds(launched.process())];
        // A wheel that turns on and on: each frame asks for another range, and counts when the picture has it.
        const { frames, took } = await opened.page.evaluate(async (length) => {
          const plot = document.querySelector(".plot-canvas")!;
          const box = plot.getBoundingClientRect();
          const begin = performance.now();
          let [count, ended] = [0, begin];
          while (ended - begin < 1000 * length) {
            plot.dispatchEvent(
              new WheelEvent("wheel", {
                deltaY: count % 40 < 20 ? -40 : 40,
                clientX: box.left + 0.6 * box.width,
                clientY: box.top + 50,
                ctrlKey: true,
                bubbles: true,
                cancelable: true,
              }),
            );
            await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
            count++;
            ended = performance.now();
          }
          return { frames: count, took: (ended - begin) / 1000 };
        }, seconds);
        rates.push(frames / took);
        cost.push(((await pageSeconds(opened.session)) - before) / frames);
        all.push((treeSeconds(launched.process()) - allBefore) / frames);
      }
      figure("a frame of the zoom, CPU", 1000 * median(all));
      console.log(
        `zoom over ten runs in one plot: ${median(rates).toFixed(1)} frames per second; CPU ${(1000 * median(all)).toFixed(1)} ms a frame of the whole browser, ${(1000 * median(cost)).toFixed(1)} of them the page's: ${Math.min(60, 1 / median(all)).toFixed(0)} per second on one core with nothing else to do`,
      );
      await opened.page.close();
    }
  } finally {
    server.kill("SIGINT");
  }

  if (parts.includes("training")) {
    const own = mkdtempSync(path.join(tmpdir(), "rotor-bench-"));
    const config = writeMicroConfig(own, {
      model: { numLayers: 1, modelDim: 32, numHeads: 2, maxLength: 64 },
      training: {
        steps: 10_000_000,
        batchSize: 4,
        length: 32,
        evalBatches: 2,
        sampleTokens: 8,
        threads: 1,
        logEvery: 5,
      },
    });
    const trainer = spawn(process.execPath, [main, "train", config], { cwd: own, stdio: "ignore" });
    const [beside, place] = await startCommand(own, ["ui", "--port", "0"], /^(http:\S+) /);
    const page = await browser.newPage();
    try {
      using store = await (async () => {
        for (;;) {
          const opened = new RunStore(path.join(own, ".rotor"), { readOnly: true });
          if (opened.countRuns() > 0 && opened.lastMetric(opened.listRuns(1)[0]!.id, "loss") !== null)
            return opened;
          opened[Symbol.dispose]();
          await new Promise((resolve) => setTimeout(resolve, 200));
        }
      })();
      const { id } = store.listRuns(1)[0]!;
      const state = () => ({
        step: store.lastMetric(id, "loss")!.step,
        cpu: cpuSeconds(trainer),
        server: cpuSeconds(beside),
        at: performance.now() / 1000,
      });
      const sums = {
        closed: { steps: 0, cpu: 0, server: 0, clock: 0 },
        open: { steps: 0, cpu: 0, server: 0, clock: 0 },
      };
      for (let round = 0; round < 2 * rounds; round++) {
        // Which comes first changes, as a run that goes on gets slower or faster by itself.
        for (const which of (round % 2 === 0 ? ["closed", "open"] : ["open", "closed"]) as (
          | "closed"
          | "open"
        )[]) {
          if (which === "open") {
            await page.goto(`${place}#/run/${id}`);
            await page.locator(".plot canvas").first().waitFor();
          } else await page.goto("about:blank");
          const before = state();
          await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
          const after = state();
          const sum = sums[which];
          sum.steps += after.step - before.step;
          sum.cpu += after.cpu - before.cpu;
          sum.server += after.server - before.server;
          sum.clock += after.at - before.at;
        }
      }
      const speed = ({ steps, clock }: { steps: number; clock: number }) => steps / clock;
      const perStep = ({ steps, cpu }: { steps: number; cpu: number }) => cpu / steps;
      const ratio = perStep(sums.open) / perStep(sums.closed);
      figure("CPU of a step with an open page, ratio", ratio);
      figure("server with an open page, share of a core", sums.open.server / sums.open.clock);
      console.log(
        `a training with its page open and closed, in turns of ${seconds} s: CPU of a step ×${ratio.toFixed(3)} over ${sums.open.steps} and ${sums.closed.steps} steps; ${speed(sums.open).toFixed(1)} and ${speed(sums.closed).toFixed(1)} steps per second on the clock; the server takes ${((100 * sums.open.server) / sums.open.clock).toFixed(1)} % of a core while the page is open, ${((100 * sums.closed.server) / sums.closed.clock).toFixed(1)} % while it isn't`,
      );
    } finally {
      beside.kill("SIGINT");
      trainer.kill("SIGKILL");
      await new Promise((resolve) => trainer.once("exit", resolve));
      rmSync(own, { recursive: true, force: true });
    }
  }
  console.log(`load at the end ${loadavg()[0]!.toFixed(1)}`);
} finally {
  await launched.close();
  if (flags.store === undefined) rmSync(folder, { recursive: true, force: true });
}
