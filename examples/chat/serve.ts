// A page that continues texts with a model, in the browser: nothing leaves it.
//
//   npm start                                                      (trains a model)
//   npm run rotor -- export latest --to onnx -o my-model
//   npm run example -- examples/chat/serve.ts my-model
import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import path from "node:path";

const [model, port = "8000"] = process.argv.slice(2);
if (model === undefined) throw new Error("expected a folder that rotor export --to onnx wrote");
const { resolve } = createRequire(import.meta.url);
const tokenizers = path.join(path.dirname(resolve("@huggingface/tokenizers")), "tokenizers.min.mjs");
/** What is served: the page, the model, ONNX Runtime for browsers, and the tokenizer's library. */
const places: readonly (readonly [prefix: string, file: string])[] = [
  ["/ort/", path.dirname(resolve("onnxruntime-web"))],
  ["/model/", path.resolve(model)],
  ["/tokenizers.mjs", tokenizers],
  ["/", path.join(import.meta.dirname, "index.html")],
];
const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".json": "application/json",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

const server = createServer((request, response) => {
  const url = path.posix.normalize(new URL(request.url ?? "/", "http://localhost").pathname);
  const [prefix, base] = places.find(([start]) => url.startsWith(start))!;
  const file = prefix.length > 1 && prefix.endsWith("/") ? path.join(base, url.slice(prefix.length)) : base;
  const isFile = statSync(file, { throwIfNoEntry: false })?.isFile() && (prefix !== "/" || url === "/");
  response.writeHead(isFile ? 200 : 404, {
    "content-type": types[path.extname(file)] ?? "application/octet-stream",
  });
  if (isFile) createReadStream(file).pipe(response);
  else response.end();
});
server.listen(Number(port), "127.0.0.1", () =>
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
);
