import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { exampleText, temporaryFolder } from "./command.ts";
import { startUiCommand } from "./uiServer.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

function run(folder: string, command: string, args: readonly string[]): string {
  const env = {
    ...process.env,
    PATH: `${path.dirname(process.execPath)}${path.delimiter}${process.env.PATH}`,
  };
  const result = spawnSync(command, args, {
    cwd: folder,
    encoding: "utf8",
    env,
    shell: process.platform === "win32",
  });
  assert.equal(result.status, 0, `${command} ${args.join(" ")}\n${result.stdout}\n${result.stderr}`);
  return result.stdout;
}

/** The first program of the README. */
const program = /```js\n([\s\S]*?)```/.exec(readFileSync(path.join(root, "README.md"), "utf8"))![1]!;

/** Minified bytes of a bundle for browsers without jax-js and ONNX Runtime: above a ceiling something came along that isn't needed. */
const ceilings: readonly (readonly [program: string, bytes: number, why: string])[] = [
  [
    "import { adamw } from 'rotor'; console.log(adamw)",
    25_000,
    "one optimizer, its options' table, decays, shapes and errors",
  ],
  ["import { muon } from 'rotor/optim'; console.log(muon)", 32_000, "with Newton–Schulz and its tables"],
  ["import { newtonSchulz } from 'rotor/spectral'; console.log(newtonSchulz)", 6_000, "one iteration"],
  ["import { tieV2 } from 'rotor/position'; console.log(tieV2)", 4_000, "one layout"],
  [
    "import { simVq } from 'rotor/quantize'; console.log(simVq)",
    14_500,
    "one quantizer with its loss, options' table and checks of shapes",
  ],
  [
    "import { transformer } from 'rotor/nn'; console.log(transformer)",
    28_500,
    "a model's forward pass, with the blocks of published ones",
  ],
  [
    "import { compileStep } from 'rotor/compile'; console.log(compileStep)",
    194_000,
    "the ONNX schema is half of it; fusing for GPUs and their runtime in browsers are 12 kB, making activations again 3 kB",
  ],
];

test("the package holds what it should, installs into an empty project, and works there", async (t) => {
  rmSync(path.join(root, "dist"), { recursive: true, force: true });
  using folder = temporaryFolder();
  // Packing builds: from a clean clone as well.
  const [packed] = JSON.parse(run(root, "npm", ["pack", "--json", "--pack-destination", folder.path])) as [
    { filename: string; files: { path: string }[] },
  ];
  const files = packed.files.map((file) => file.path);
  for (const file of [
    "dist/cli/main.js",
    "dist/compile/schema/onnx_pb.js",
    "dist/index.d.ts",
    "dist/page/index.html",
    "dist/page/page.js",
    "dist/page/page.css",
    "README.md",
    "LICENSE",
  ]) {
    assert.ok(files.includes(file), `${file} is missing`);
  }
  const foreign = files.filter(
    (file) =>
      !/^(dist\/.*\.(js|d\.ts)|dist\/page\/(index\.html|page\.css)|README(\.zh)?\.md|CHANGELOG\.md|LICENSE|package\.json)$/.test(
        file,
      ),
  );
  assert.deepEqual(foreign, []);
  assert.ok(!files.some((file) => /test|testing/.test(file)), "tests are packed");

  writeFileSync(
    path.join(folder.path, "package.json"),
    JSON.stringify({ name: "empty", private: true, type: "module" }),
  );
  const install = (...packages: string[]) =>
    run(folder.path, "npm", [
      "install",
      "--ignore-scripts",
      "--no-audit",
      "--no-fund",
      "--prefer-offline",
      ...packages,
    ]);
  install(packed.filename);

  await t.test("brings few packages: no databases, no data, nothing for browsers", () => {
    const packages = run(folder.path, "npm", ["ls", "--all", "--parseable"]).trim().split("\n").slice(1);
    assert.ok(packages.length <= 60, `${packages.length} packages:\n${packages.join("\n")}`);
    const names = packages.map((each) => path.basename(each));
    for (const name of ["pg", "pg-boss", "aws4fetch", "mnist", "onnxruntime-web"])
      assert.ok(!names.includes(name), name);
  });

  await t.test("trains", () => {
    writeFileSync(path.join(folder.path, "text.txt"), exampleText());
    writeFileSync(path.join(folder.path, "train.js"), program);
    const output = run(folder.path, process.execPath, ["train.js"]);
    assert.match(output, /^20 \d\.\d{3}\n40 \d\.\d{3}\n60 \d\.\d{3}\nfinished \d/);
    const command = run(folder.path, "npx", ["rotor", "runs"]);
    assert.match(command, /finished/);
    assert.deepEqual(readdirSync(path.join(folder.path, ".rotor", "runs")).length, 1);
  });

  await t.test("serves its page, built", async () => {
    const main = path.join(folder.path, "node_modules/rotor/dist/cli/main.js");
    await using ui = await startUiCommand(folder.path, main);
    const texts = await Promise.all(
      ["", "page.js", "page.css", "fitWorker.js", "api/runs"].map(async (name) => {
        const answer = await fetch(`${ui.address}${name}`);
        assert.equal(answer.status, 200, name);
        return answer.text();
      }),
    );
    assert.match(texts[0]!, /page\.js/);
    assert.equal((JSON.parse(texts[4]!) as { runs: { status: string }[] }).runs[0]!.status, "finished");
  });

  await t.test("names what a database needs", () => {
    const { stderr, status } = spawnSync(
      process.execPath,
      ["node_modules/rotor/dist/cli/main.js", "worker", "--sweep", "s"],
      {
        cwd: folder.path,
        encoding: "utf8",
        env: { ...process.env, ROTOR_DATABASE_URL: "postgres://127.0.0.1:9/none" },
      },
    );
    assert.equal(status, 1, stderr);
    assert.match(stderr, /packages pg and pg-boss must be installed: npm install pg pg-boss/);
  });

  await t.test("bundles take no more than they need", async () => {
    for (const [source, ceiling, why] of ceilings) {
      const { outputFiles } = await build({
        stdin: { contents: source, resolveDir: folder.path },
        bundle: true,
        minify: true,
        write: false,
        format: "esm",
        platform: "browser",
        external: ["@jax-js/jax", "#onnxruntime", "onnxruntime-node"],
      });
      const bytes = outputFiles[0]!.contents.length;
      assert.ok(bytes <= ceiling, `${source}: ${bytes} bytes, expected at most ${ceiling} (${why})`);
    }
  });

  await t.test("its types hold for consumers, whatever resolves their modules", () => {
    const { exports, devDependencies } = JSON.parse(
      readFileSync(path.join(root, "package.json"), "utf8"),
    ) as { exports: Record<string, unknown>; devDependencies: Record<string, string> };
    const entries = Object.keys(exports).filter((entry) => entry !== "./package.json");
    assert.ok(entries.length >= 18);
    const imports = entries.map((entry, i) => `import * as m${i} from "rotor${entry.slice(1)}";`);
    const last = `export default [${entries.map((_, i) => `m${i}`).join(", ")}];`;
    writeFileSync(path.join(folder.path, "consumer.ts"), [...imports, last].join("\n"));
    // jax-js speaks of WebGPU's types, and the Node entries of Node's.
    install(`@types/node@${devDependencies["@types/node"]}`, "@webgpu/types@0.1.74");
    for (const [module, resolution] of [
      ["nodenext", "nodenext"],
      ["esnext", "bundler"],
    ] as const) {
      run(folder.path, process.execPath, [
        path.join(root, "node_modules/typescript/bin/tsc"),
        ...["--noEmit", "--strict", "--skipLibCheck", "false", "--target", "es2024", "--lib", "esnext,dom"],
        ...["--types", "node,@webgpu/types", "--module", module, "--moduleResolution", resolution],
        "consumer.ts",
      ]);
    }
  });
});
