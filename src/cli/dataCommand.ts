import { addPackage, dataHome, dataPackages, findPackageFolder, packageFolder } from "../data/index.ts";
import { ConfigError } from "../errors.ts";
import { table } from "./format.ts";
import { out } from "./print.ts";

/** `rotor data list` */
export function listData({ json }: { readonly json?: boolean }): number {
  const rows = Object.entries(dataPackages).map(([name, { packageName, version, megabytes, source }]) => ({
    name,
    folder: findPackageFolder(dataPackages[name]!),
    package: `${packageName}@${version}`,
    megabytes,
    source,
  }));
  if (json === true) {
    out(JSON.stringify(rows));
    return 0;
  }
  out(
    table([
      ["name", "here", "MB", "package", "source"],
      ...rows.map((row) => [
        row.name,
        row.folder === null ? "no" : "yes",
        row.megabytes.toFixed(1),
        row.package,
        row.source,
      ]),
    ]),
  );
  out(`kept in ${dataHome()}`);
  return 0;
}

/** `rotor data fetch` */
export function fetchData(names: readonly string[]): number {
  const known = Object.keys(dataPackages);
  for (const name of names) {
    if (!known.includes(name))
      throw new ConfigError(`data "${name}": expected ${known.join(", ")}, or none for all`);
  }
  for (const name of names.length === 0 ? known : names) out(`${name}  ${packageFolder(name)}`);
  return 0;
}

/** `rotor data add` */
export function addData(files: readonly string[]): number {
  for (const file of files) {
    const { name, folder } = addPackage(file);
    out(`${name}  ${folder}`);
  }
  return 0;
}
