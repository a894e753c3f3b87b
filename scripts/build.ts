// Compiles src to dist and copies what the compiler doesn't: the generated ONNX schema.
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
rmSync(`${root}dist`, { recursive: true, force: true });
const { status } = spawnSync(
  process.execPath,
  [`${root}node_modules/typescript/bin/tsc`, "-p", `${root}tsconfig.build.json`],
  {
    stdio: "inherit",
  },
);
if (status !== 0) process.exit(status ?? 1);
mkdirSync(`${root}dist/compile/schema`, { recursive: true });
for (const file of ["onnx_pb.js", "onnx_pb.d.ts"]) {
  copyFileSync(`${root}src/compile/schema/${file}`, `${root}dist/compile/schema/${file}`);
}
chmodSync(`${root}dist/cli/main.js`, 0o755);
