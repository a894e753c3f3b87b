import type { TestContext } from "node:test";
import { type Browser, chromium } from "playwright-core";
import { findChromium, noChromium } from "./browser/chromium.ts";

/** A real Chromium that keeps nothing, or null where there is none: the test is skipped then, and says so. */
export async function launchChromium(t: TestContext): Promise<Browser | null> {
  const executablePath = findChromium();
  if (executablePath === null) {
    t.skip(noChromium);
    return null;
  }
  return chromium.launch({
    executablePath,
    args: [
      "--no-sandbox",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--no-first-run",
    ],
  });
}
