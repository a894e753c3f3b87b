// Checks what `rotor export --to onnx` writes with transformers.js, in Node and in Chromium, and writes
// src/exchange/onnx/transformersJs.reference.json: what was seen.
//
//   mkdir peers && cd peers && npm install --ignore-scripts @huggingface/transformers@4.3.2
//   node scripts/references/transformersJs.ts peers
//
// Every model of src/exchange/testing/models is imported, exported, and continued greedily by 64 tokens, or up to the end of the text: those
// of Transformers.
import { createReadStream, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";
import { exportOnnx, importRun } from "../../src/exchange/index.ts";
import { expectedOf, modelFolder, modelNames } from "../../src/exchange/testing/modelFolder.ts";
import { findChromium } from "../../tests/browser/chromium.ts";

const peers = path.resolve(process.argv[2]!, "node_modules");
const library = path.join(peers, "@huggingface/transformers");
const versionOf = (folder: string): string =>
  JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8")).version;
const home = mkdtempSync(path.join(tmpdir(), "rotor-transformers-js-"));
/** All of the models have one tokenizer. */
let endOfText = -1;

for (const name of modelNames) {
  using folder = modelFolder(name);
  const { run, imported } = importRun(folder.path, { home, name });
  endOfText = imported.tokenizer.endOfText;
  await exportOnnx(run.id, path.join(home, "models", name), { home });
}

const seen: Record<string, { node: string; chromium: string }> = {};
/** What a run is recorded as. */
const verdict = (name: string, made: readonly number[]): string => {
  const { greedy: all } = expectedOf(name);
  const end = all.indexOf(endOfText);
  const greedy = end < 0 ? all : all.slice(0, end + 1);
  const same = made.findIndex((id, i) => id !== greedy[i]);
  return same < 0 && made.length === greedy.length ? `${made.length} tokens` : `differs at ${same}`;
};
/** The first line of what a library says. */
const problem = (error: unknown) => String(error).split("\n")[0]!;

const transformers = await import(pathToFileURL(path.join(library, "dist/transformers.node.mjs")).href);
const { continued } = await import(new URL("./transformersJsContinue.js", import.meta.url).href);
Object.assign(transformers.env, { allowRemoteModels: false, localModelPath: path.join(home, "models") });
for (const name of modelNames) {
  const made = await continued(transformers, name, "cpu", expectedOf(name).tokens).catch(problem);
  seen[name] = { node: typeof made === "string" ? made : verdict(name, made), chromium: "" };
}

const places: readonly (readonly [string, string])[] = [
  ["/models/", path.join(home, "models")],
  ["/dist/", path.join(library, "dist")],
  ["/ort/", path.join(peers, "onnxruntime-web/dist")],
  ["/own/", import.meta.dirname],
];
const server = createServer((request, response) => {
  const url = request.url!.split("?")[0]!;
  const place = places.find(([prefix]) => url.startsWith(prefix));
  const file = place === undefined ? "" : path.join(place[1], url.slice(place[0].length));
  const isFile = statSync(file, { throwIfNoEntry: false })?.isFile();
  const type = { ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm" }[
    path.extname(file)
  ];
  response.writeHead(isFile || url === "/" ? 200 : 404, {
    "content-type": type ?? (url === "/" ? "text/html" : "application/octet-stream"),
  });
  if (isFile) createReadStream(file).pipe(response);
  else response.end("<!doctype html>");
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const browser = await chromium.launch({ executablePath: findChromium()!, args: ["--no-sandbox"] });
const page = await browser.newPage();
await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
for (const name of modelNames) {
  const made = await page
    .evaluate(
      async ([model, tokens, librarian, own]) => {
        const transformers = await import(librarian);
        const { env } = transformers;
        Object.assign(env, { allowRemoteModels: false, allowLocalModels: true, localModelPath: "/models/" });
        env.backends.onnx.wasm.wasmPaths = "/ort/";
        const { continued } = await import(own);
        return (await continued(transformers, model, "wasm", tokens)) as number[];
      },
      [name, expectedOf(name).tokens, "/dist/transformers.js", "/own/transformersJsContinue.js"] as const,
    )
    .catch(problem);
  seen[name]!.chromium = typeof made === "string" ? made : verdict(name, made);
  console.log(name, seen[name]);
}
const versions = {
  "@huggingface/transformers": versionOf(library),
  "onnxruntime-node": versionOf(path.join(peers, "onnxruntime-node")),
  "onnxruntime-web": versionOf(path.join(peers, "onnxruntime-web")),
  chromium: browser.version(),
};
await browser.close();
server.close();
rmSync(home, { recursive: true });
writeFileSync(
  new URL("../../src/exchange/onnx/transformersJs.reference.json", import.meta.url),
  `${JSON.stringify({ generator: "scripts/references/transformersJs.ts", versions, seen }, null, 1)}\n`,
);
