// Removes from node_modules what nothing here reads: run by npm after it has installed the clone (not where Rotor is a dependency).
// npm knows no way to leave it out, as ONNX Runtime's package holds the binaries of all systems.
import { readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** Files of packages that aren't needed on a system. */
function isUnneeded(file: string, platform: string, arch: string): boolean {
  const [first, ...rest] = file.split(path.sep);
  // ONNX Runtime of other systems: 243 MB of 288 on Linux.
  const binary = /^bin\/napi-v\d+\/(\w+)\/(\w+)\//.exec(rest.join("/"));
  if (first === "onnxruntime-node" && binary !== null) return binary[1] !== platform || binary[2] !== arch;
  // Headers for building native modules: 67 MB beside the program.
  if (/^node-(bin-)?(darwin|linux|win)-/.test(first!)) return rest[0] === "include";
  // Source maps of libraries: 67 MB, half of them of ECharts.
  return /\.[cm]?[jt]s\.map$/.test(file);
}

/** Removes them from a folder of packages. What is linked into it isn't looked at. */
export function pruneDependencies(
  folder: string,
  platform: string = process.platform,
  arch: string = process.arch,
): void {
  const prune = (below: string): void => {
    for (const entry of readdirSync(path.join(folder, below), { withFileTypes: true })) {
      const file = path.join(below, entry.name);
      if (entry.isDirectory()) prune(file);
      else if (entry.isFile() && isUnneeded(file, platform, arch)) rmSync(path.join(folder, file));
    }
  };
  prune("");
}

if (import.meta.main) pruneDependencies(fileURLToPath(new URL("../node_modules", import.meta.url)));
