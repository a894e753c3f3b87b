import { readFileSync } from "node:fs";
import { supportTable } from "../src/compile/index.ts";

/** The page docs/primitives.md. */
export function primitiveTable(): string {
  const { dependencies } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
    dependencies: Record<string, string>;
  };
  const rows = supportTable().map(
    ({ primitive, support, operators }) => `| \`${primitive}\` | ${support} | ${operators} |`,
  );
  return `# Primitives

What \`compile\` does with each primitive of jax-js ${dependencies["@jax-js/jax"]}. Written by \`npm run docs:primitives\` from the rules in
\`src/compile/primitives\`. An unsupported use throws \`UnsupportedPrimitiveError\`, which names the primitive, the shapes and what to do
instead. Element types: float32, float64, int32, uint32 and bool, where ONNX Runtime has kernels.

| primitive | lowered | ONNX operators |
|---|---|---|
${rows.join("\n")}
`;
}
