import { readFileSync } from "node:fs";
import { supportTable } from "../src/compile/index.ts";
import { webgpuDeviations } from "../src/compile/testing/webgpuDeviations.ts";
import { numbersTable } from "./numbersTable.ts";

/** The page docs/primitives.md. */
export async function primitiveTable(): Promise<string> {
  const { peerDependencies } = JSON.parse(
    readFileSync(new URL("../package.json", import.meta.url), "utf8"),
  ) as {
    peerDependencies: Record<string, string>;
  };
  const rows = supportTable().map(
    ({ primitive, support, operators }) =>
      `| \`${primitive}\` | ${support} | ${operators} | ${support === "unsupported" ? "" : (webgpuDeviations[primitive]?.words ?? "as on the CPU")} |`,
  );
  return `# Primitives

What \`compile\` does with each primitive of jax-js ${peerDependencies["@jax-js/jax"]}. Written by \`npm run docs:primitives\` from the rules in
\`src/compile/primitives\`. An unsupported use throws \`UnsupportedPrimitiveError\`, which names the primitive, the shapes and what to do
instead. Element types: float32, float64, int32, uint32 and bool, where ONNX Runtime has kernels; on a GPU no float64. The last column is what
\`device: "gpu"\` differs in, from running the cases of all primitives on both; operators that WebGPU lacks or gets wrong are written with others
(\`src/compile/devices\`), and random bits, sorting, and remainders run on the CPU with a copy there and back.

| primitive | lowered | ONNX operators | on a GPU |
|---|---|---|---|
${rows.join("\n")}

## Numbers that differ

Expressions whose value in jax-js ${peerDependencies["@jax-js/jax"]}, eagerly (WebAssembly in Node) or compiled, may surprise, from running them; JAX's
are recorded by \`scripts/references/numberCases.py\`. All of floats are float32 but the column in float64, which is JAX's too, of the same
inputs. ∂ is a gradient. Integers and booleans don't become floats: cast with \`astype(np.float32)\` before a division or a fraction.

${await numbersTable()}
`;
}
