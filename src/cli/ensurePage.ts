import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ConfigError } from "../errors.ts";
import { print } from "./print.ts";

/** In a clone the page is built when its sources have changed; in the package it lies there, built. */
export async function ensurePage(): Promise<void> {
  const script = fileURLToPath(new URL("../../scripts/buildPage.ts", import.meta.url));
  if (!import.meta.url.endsWith(".ts") || !existsSync(script)) return;
  const { status, stderr } = spawnSync(process.execPath, [script, "--if-changed"], {
    stdio: ["ignore", "ignore", "pipe"],
    encoding: "utf8",
  });
  if (status !== 0) throw new ConfigError(`page: can't be built: ${stderr.trim().split("\n").at(-1)}`);
  if (stderr !== "") print(stderr, process.stderr);
}
