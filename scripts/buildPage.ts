// Builds the page of `rotor ui` with Vite, into ui/dist for a clone or the folder that is named. With --if-changed, only if a source is newer.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** When the newest of the files that the page is made of was changed. */
function newestSource(): number {
  let newest = 0;
  for (const folder of ["ui", "src/scaling", "src/position", "src/ui", "src/cli"]) {
    for (const name of readdirSync(path.join(root, folder), { recursive: true }) as string[]) {
      if (name === "dist" || name.startsWith(`dist${path.sep}`)) continue;
      newest = Math.max(
        newest,
        statSync(path.join(root, folder, name), { throwIfNoEntry: false })?.mtimeMs ?? 0,
      );
    }
  }
  for (const file of [
    "src/palette.ts",
    "src/compactNumber.ts",
    "src/sweepFiles/nameSettings.ts",
    "package-lock.json",
  ])
    newest = Math.max(newest, statSync(path.join(root, file)).mtimeMs);
  return newest;
}

/** Builds beside the folder and moves file by file, so that whoever reads meanwhile finds each one whole. */
export async function buildPage(folder: string): Promise<void> {
  const { build } = await import("vite");
  mkdirSync(folder, { recursive: true });
  const scratch = mkdtempSync(path.join(path.dirname(folder), ".page-"));
  try {
    await build({
      configFile: path.join(root, "ui/vite.config.ts"),
      root: path.join(root, "ui"),
      logLevel: "error",
      build: { outDir: scratch },
    });
    // Chunks of jax-js that nothing of the page imports.
    rmSync(path.join(scratch, "assets"), { recursive: true, force: true });
    const names = readdirSync(scratch);
    // The document comes last: it says that all is there.
    for (const name of names.sort((a) => (a === "index.html" ? 1 : -1)))
      renameSync(path.join(scratch, name), path.join(folder, name));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const folder = path.join(root, "ui/dist");
  const built = path.join(folder, "index.html");
  if (
    !process.argv.includes("--if-changed") ||
    !existsSync(built) ||
    statSync(built).mtimeMs < newestSource()
  ) {
    process.stderr.write("building the page (once after each change of its sources)\n");
    await buildPage(folder);
  }
}
