// Compiles src to dist, copies what the compiler doesn't (the generated ONNX schema), and builds the page of `rotor ui`.
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { buildPage } from "./buildPage.ts";

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
// TypeScript 5.9 leaves the ending of import("./a.ts") as it is in a function that has a `using`: it would be found in a clone only.
for (const file of readdirSync(`${root}dist`, { recursive: true, encoding: "utf8" })) {
  const source = file.endsWith(".js") ? readFileSync(`${root}dist/${file}`, "utf8") : "";
  const left = /^(?!\s*(?:\*|\/\/)).*\b(?:import\(|from |import )"\.[^"]*\.ts"/m.exec(source);
  if (left === null) continue;
  console.error(
    `dist/${file}: ${left[0].trim()}: the compiler didn't turn .ts into .js; import it at the top of its file`,
  );
  process.exit(1);
}
mkdirSync(`${root}dist/compile/schema`, { recursive: true });
for (const file of ["onnx_pb.js", "onnx_pb.d.ts"]) {
  copyFileSync(`${root}src/compile/schema/${file}`, `${root}dist/compile/schema/${file}`);
}
chmodSync(`${root}dist/cli/main.js`, 0o755);
await buildPage(`${root}dist/page`);
