import { createReadStream, existsSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { type BrowserContext, chromium } from "playwright-core";

/** Path of a Chromium, or null; `CHROMIUM` names another. */
export function findChromium(): string | null {
  const candidates = [
    process.env.CHROMIUM,
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
  ];
  return candidates.find((file) => file !== undefined && existsSync(file)) ?? null;
}

export const noChromium = "no Chromium found; name one in the environment variable CHROMIUM";

/** A browser with WebGPU, on its software device, whose storage lies in a folder. */
export async function openChromium(executablePath: string, storage: string): Promise<BrowserContext> {
  return await chromium.launchPersistentContext(storage, {
    executablePath,
    args: [
      "--no-sandbox",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--no-first-run",
      "--enable-unsafe-webgpu",
      "--use-webgpu-adapter=swiftshader",
      "--enable-features=Vulkan",
    ],
  });
}

const types: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".css": "text/css",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

export interface Served extends Disposable {
  readonly address: string;
}

/** Serves files of folders on this machine: the longest prefix of an address decides which. */
export async function serve(folders: Readonly<Record<string, string>>): Promise<Served> {
  const prefixes = Object.keys(folders).sort((a, b) => b.length - a.length);
  const server = createServer((request, response) => {
    const url = (request.url ?? "/").replace(/\?.*$/, "");
    const prefix = prefixes.find((each) => url.startsWith(each));
    const rest = prefix === undefined ? "" : url.slice(prefix.length) || "index.html";
    const file = prefix === undefined ? "" : path.join(folders[prefix]!, path.normalize(`/${rest}`));
    if (!existsSync(file)) {
      // Browsers ask for an icon by themselves.
      response.statusCode = url === "/favicon.ico" ? 204 : 404;
      response.end();
      return;
    }
    response.setHeader("content-type", types[path.extname(file)] ?? "application/octet-stream");
    createReadStream(file).pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    [Symbol.dispose]: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
