import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { ConfigError, RotorError } from "../errors.ts";
import { RunStore } from "../runs/index.ts";
import { Changes } from "./changes.ts";
import { UiContext } from "./context.ts";
import { cookieName, isLoopback, judge, reachedAt, securityHeaders } from "./guard.ts";
import { matchPath } from "./matchPath.ts";
import type { LaunchMeasurement } from "./measureJob.ts";
import { PageFiles } from "./pageFiles.ts";
import { FileAnswer, NotFoundError, type Route, type UiRequest } from "./route.ts";
import { routes } from "./routes/index.ts";

export interface UiOptions {
  /** The `.rotor` folder. */
  readonly home: string;
  /** Name or address to listen at. Default `127.0.0.1`; another one than loopback asks for a token. */
  readonly host?: string;
  /** 0 for any that is free. Default 7860. */
  readonly port?: number;
  /** How a person's measurement is started. Default: none can be. */
  readonly measure?: LaunchMeasurement;
}

export interface RunningUi extends AsyncDisposable {
  /** What a person opens; with the token, if there is one. */
  readonly address: string;
}

export const defaultUiPort = 7860;

/** Bytes of a POST at most: tags, a note, results of a page that is shared. */
const longestBody = 32 * 2 ** 20;

async function readBody(request: IncomingMessage): Promise<unknown> {
  if (request.headers["content-type"] !== "application/json")
    throw new ConfigError("content-type: expected application/json");
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > longestBody) throw new ConfigError(`body: expected at most ${longestBody} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch {
    throw new ConfigError("body: expected JSON");
  }
}

const send = (response: ServerResponse, status: number, type: string, data: Uint8Array | string) => {
  response.writeHead(status, { "content-type": type, "cache-control": "no-store" });
  response.end(data);
};

const sendJson = (response: ServerResponse, status: number, value: unknown) =>
  send(response, status, "application/json; charset=utf-8", JSON.stringify(value));

/** What a browser is told of an error. */
function sendError(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.end();
    return;
  }
  if (error instanceof NotFoundError)
    sendJson(response, 404, { error: { code: "NOT_FOUND", message: error.message } });
  else if (error instanceof RotorError)
    sendJson(response, error instanceof ConfigError ? 400 : 409, {
      error: { code: error.code, message: error.message },
    });
  else
    sendJson(response, 500, {
      error: { code: "INTERNAL", message: error instanceof Error ? error.message : String(error) },
    });
}

interface ServerOptions {
  readonly host: string;
  port: number;
  readonly token: string | null;
}

class UiServer {
  readonly #context: UiContext;
  readonly #changes: Changes;
  readonly #options: ServerOptions;
  readonly #table: readonly Route[];

  constructor(options: ServerOptions, context: UiContext) {
    this.#options = options;
    this.#context = context;
    this.#changes = new Changes(this.#context);
    this.#table = Object.values(routes);
  }

  #find(method: string, pathname: string) {
    for (const row of this.#table) {
      const params = row.method === method ? matchPath(row.path, pathname) : null;
      if (params !== null) return { row, params };
    }
    return null;
  }

  #request(
    url: URL,
    params: Readonly<Record<string, string>>,
    body: unknown,
    signal: AbortSignal,
  ): UiRequest {
    return {
      signal,
      params,
      query: url.searchParams,
      body,
      ask: async (address) => {
        const asked = new URL(address, "http://rotor.invalid");
        const found = this.#find("GET", asked.pathname);
        if (found === null) throw new NotFoundError(`${asked.pathname}: nothing is there`);
        return found.row.answer(this.#context, this.#request(asked, found.params, null, signal));
      },
    };
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(securityHeaders)) response.setHeader(name, value);
    try {
      const url = new URL(request.url ?? "/", "http://rotor.invalid");
      const verdict = judge(request, url, this.#options);
      if (verdict.kind === "refused") {
        send(response, verdict.status, "text/plain; charset=utf-8", `rotor: ${verdict.message}\n`);
        return;
      }
      if (verdict.kind === "signed in") {
        response.setHeader(
          "set-cookie",
          // Lax: a strict one isn't sent after a link in another page, and the answer to the very next request would be 401.
          `${cookieName(this.#options.port)}=${verdict.token}; HttpOnly; SameSite=Lax; Path=/`,
        );
        response.writeHead(303, { location: "/" });
        response.end();
        return;
      }
      if (url.pathname === "/api/changes" && request.method === "GET") {
        this.#changes.listen(response);
        return;
      }
      const method = request.method === "HEAD" ? "GET" : (request.method ?? "GET");
      const found = this.#find(method, url.pathname);
      if (found !== null) {
        const body = method === "POST" ? await readBody(request) : null;
        const gone = new AbortController();
        response.once("close", () => gone.abort());
        const asked = this.#request(url, found.params, body, gone.signal);
        const answer = await found.row.answer(this.#context, asked);
        if (!(answer instanceof FileAnswer)) {
          sendJson(response, 200, answer);
          return;
        }
        if (answer.name !== null)
          response.setHeader("content-disposition", `attachment; filename="${answer.name}"`);
        send(response, 200, answer.type, answer.data);
        return;
      }
      const file = method === "GET" ? this.#context.page.read(url.pathname) : null;
      if (file === null) throw new NotFoundError(`${url.pathname}: nothing is there`);
      send(response, 200, file.type, file.data);
    } catch (error) {
      sendError(response, error);
    }
  }

  async close(): Promise<void> {
    this.#changes[Symbol.dispose]();
    await this.#context[Symbol.asyncDispose]();
  }
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const why =
        error.code === "EADDRINUSE"
          ? "the port is in use, maybe by another page; choose another one, or 0 for any that is free"
          : error.message;
      reject(new ConfigError(`ui ${host}:${port}: ${why}`, { cause: error }));
    });
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
  });
}

/** Brings a store of an earlier version to this one, so that it is read in its place; one that can't be written is read as a copy. */
function settleStore(home: string): void {
  try {
    new RunStore(home, { create: false })[Symbol.dispose]();
  } catch (error) {
    // The page says what is wrong with it.
    if (!(error instanceof RotorError)) throw error;
  }
}

/**
 * Serves the page of a home until it is disposed of.
 *
 * @throws ConfigError if the port is in use or the host can't be listened at; RunStoreError if the page isn't built
 */
export async function startUi({
  home,
  host = "127.0.0.1",
  port = defaultUiPort,
  measure,
}: UiOptions): Promise<RunningUi> {
  const files = new PageFiles();
  const token = isLoopback(host) ? null : randomBytes(24).toString("base64url");
  settleStore(home);
  const options = { host, port, token };
  const ui = new UiServer(options, new UiContext(home, files, measure));
  const server = createServer((request, response) => void ui.answer(request, response));
  try {
    options.port = await listen(server, host, port);
  } catch (error) {
    await ui.close();
    throw error;
  }
  const reached = reachedAt(host);
  const shown = reached.includes(":") && !reached.startsWith("[") ? `[${reached}]` : reached;
  const query = token === null ? "" : `?token=${token}`;
  return {
    address: `http://${shown}:${options.port}/${query}`,
    async [Symbol.asyncDispose]() {
      await ui.close();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}
