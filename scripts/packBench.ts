// Packs what `node bench/gpu.ts` needs, sources and installed production dependencies, into one archive: unpacked, it runs on a machine of the same
// system with Node 24 and a GPU, but without a network.
//
// npm run bench:pack [-- --out rotor-bench.tgz]
//   there: tar xzf rotor-bench.tgz && cd rotor-bench && node bench/gpu.ts
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";

const { out } = parseArgs({ options: { out: { type: "string", default: "rotor-bench.tgz" } } }).values;
const root = path.join(import.meta.dirname, "..");

function run(command: string, ...args: string[]): string {
  const { status, stdout, error } = spawnSync(command, args, {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  // npm ls also fails for what it only finds odd; what it lists counts.
  if (error !== undefined || (status !== 0 && command !== "npm")) {
    console.error(`${command} ${args.join(" ")}: ${error?.message ?? `exit code ${status}`}`);
    process.exit(1);
  }
  return stdout;
}

const packages = run("npm", "ls", "--omit=dev", "--all", "--parseable")
  .split("\n")
  .map((folder) => path.relative(root, folder))
  .filter((folder) => folder.startsWith(`node_modules${path.sep}`));
if (!packages.some((folder) => folder.endsWith("onnxruntime-node"))) {
  console.error("npm ls lists no onnxruntime-node: run npm ci first");
  process.exit(1);
}
const folder = mkdtempSync(path.join(tmpdir(), "rotor-bench-pack-"));
try {
  const target = path.join(folder, "rotor-bench");
  mkdirSync(target);
  const isPacked = (file: string) => !/\.test\.ts$|[\\/]testing$/.test(file);
  for (const part of ["package.json", "bench", "src"])
    cpSync(path.join(root, part), path.join(target, part), { recursive: true, filter: isPacked });
  for (const each of packages)
    cpSync(path.join(root, each), path.join(target, each), { recursive: true, dereference: true });
  const file = path.resolve(root, out);
  run("tar", "czf", file, "-C", folder, "rotor-bench");
  console.log(
    `${path.relative(process.cwd(), file)}: ${packages.length} packages, for ${process.platform} ${process.arch}`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
