import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = path.join(root, "examples");
const programs = readdirSync(folder).filter((file) => file.endsWith(".ts"));

const scratch = mkdtempSync(path.join(tmpdir(), "rotor-examples-"));
after(() => rmSync(scratch, { recursive: true }));

/** Fewer steps, and what is printed then. */
const short: Record<string, readonly [steps: string, says: RegExp]> = {
  "ownModel.ts": ["100", /^1?\d\d % of the points are told right$/m],
  "ownTask.ts": ["120", /^1?\d\d % of the digits are right$/m],
  "fineTune.ts": ["30", /^changed among the frozen: nothing$/m],
  "sweepAndFit.ts": ["20", /^batch 32, which wasn't tried: 0\.\d+ \(/m],
  "quantizer.ts": ["250", /^step 250: error 0\.\d+, \d+ codes/m],
  "positions.ts": ["", /^symmetry of mrope: broken by text:1 image:1x2 text:1$/m],
};

test("examples are short, and their page names all of them", () => {
  assert.deepEqual(programs.toSorted(), Object.keys(short).sort());
  const page = readFileSync(path.join(folder, "README.md"), "utf8");
  for (const program of programs) {
    const lines = readFileSync(path.join(folder, program), "utf8").trimEnd().split("\n");
    assert.ok(lines.length <= 60, `${program} has ${lines.length} lines`);
    assert.ok(page.includes(`](${program})`), `examples/README.md lacks ${program}`);
    // As a project imports them.
    for (const [, from] of lines.join("\n").matchAll(/ from "([^"]+)"/g))
      assert.match(from!, /^(rotor(\/[a-z]+)?|@jax-js\/jax|node:[a-z]+)$/, program);
  }
});

for (const program of programs) {
  test(`${program} does what it says`, async () => {
    const [steps, says] = short[program]!;
    const args = [path.join(folder, program), steps].filter((arg) => arg !== "");
    const child = spawn(
      process.execPath,
      ["--import", new URL("../scripts/resolveRotor.ts", import.meta.url).href, ...args],
      { cwd: scratch },
    );
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
    const code = await new Promise((resolve) => child.on("close", resolve));
    assert.equal(code, 0, output);
    assert.match(output, says);
  });
}
