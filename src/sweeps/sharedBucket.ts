import { createWriteStream, readFileSync } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream } from "node:stream/web";
import { AwsClient } from "aws4fetch";
import { CheckpointError, ConfigError } from "../errors.ts";
import { checkSharedName, isSharedName, type SharedFiles } from "./sharedFiles.ts";

const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function decodeXml(text: string): string {
  return text.replace(/&(#x[\da-f]+|#\d+|\w+);/gi, (whole, name: string) => {
    if (!name.startsWith("#")) return (Object.hasOwn(entities, name) ? entities[name]! : null) ?? whole;
    const code = /^#x/i.test(name) ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1));
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

/** The texts of an XML element, wherever it stands. */
function elements(xml: string, name: string): string[] {
  return [...xml.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, "g"))].map(([, text]) => decodeXml(text!));
}

/** Names that one listing may have, and bytes of one answer of it: more than any sweep leaves, and little memory. */
const mostPages = 1000;
const mostListingBytes = 16 * 2 ** 20;

/** A URL that may be shown: without user, password and query, in which secrets are given. */
function shown(text: string): string {
  const url = URL.parse(text);
  if (url === null || url.host === "") return "(not a URL with a host)";
  return `${url.protocol}//${url.host}${url.pathname === "/" ? "" : url.pathname}`;
}

/** An answer that is read into memory, up to a limit. */
async function textOf(response: Response, fail: (problem: string) => never): Promise<string> {
  if (response.body === null) return "";
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of Readable.fromWeb(response.body as ReadableStream) as AsyncIterable<Uint8Array>) {
    length += part.length;
    if (length > mostListingBytes) fail(`answers with more than ${mostListingBytes} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

const encodeKey = (key: string) => key.split("/").map(encodeURIComponent).join("/");

/**
 * A prefix in a bucket of S3, or of a store that speaks as S3 does. A file is read into memory to be sent, and may have 5 GB, the most
 * that one request can carry.
 */
export class SharedBucket implements SharedFiles {
  readonly location: string;
  readonly #client: AwsClient;
  readonly #base: string;
  readonly #prefix: string;

  /**
   * @param url - `s3://bucket` or `s3://bucket/prefix`
   * @param environment - `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, and if needed `AWS_SESSION_TOKEN`, `AWS_REGION`, and
   *   `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL` for stores other than Amazon's
   * @throws ConfigError if the URL or a variable can't be used
   */
  constructor(url: string, environment: Readonly<Record<string, string | undefined>>) {
    const match = /^s3:\/\/([a-z0-9][a-z0-9.-]+)(?:\/(.*?))?\/?$/.exec(url);
    const hasSecret = url.slice("s3://".length).split("/")[0]!.includes("@") || url.includes("?");
    if (match === null || hasSecret)
      throw new ConfigError(
        `shared place ${hasSecret ? shown(url) : url}: expected s3://bucket/prefix${hasSecret ? ", without user, password and query" : ""}`,
      );
    const [, bucket, prefix = ""] = match;
    if (prefix !== "") checkSharedName(prefix, url);
    const variable = (name: string): string => {
      const value = environment[name];
      if (value === undefined || value === "")
        throw new ConfigError(`shared place ${url}: expected the variable ${name}`);
      return value;
    };
    const region = environment.AWS_REGION || environment.AWS_DEFAULT_REGION || "us-east-1";
    const endpoint = environment.AWS_ENDPOINT_URL_S3 || environment.AWS_ENDPOINT_URL;
    const parsed = endpoint === undefined ? null : URL.parse(endpoint);
    if (endpoint !== undefined && !/^https?:$/.test(parsed?.protocol ?? ""))
      throw new ConfigError(`AWS_ENDPOINT_URL ${shown(endpoint)}: expected http://… or https://…`);
    if (parsed !== null && `${parsed.username}${parsed.password}${parsed.search}${parsed.hash}` !== "")
      throw new ConfigError(
        `AWS_ENDPOINT_URL ${shown(parsed.href)}: expected no user, password or query; credentials are in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`,
      );
    this.location = url;
    this.#prefix = prefix === "" ? "" : `${prefix}/`;
    // Stores of one's own rarely have a host name per bucket.
    this.#base =
      endpoint === undefined
        ? `https://${bucket}.s3.${region}.amazonaws.com/`
        : `${endpoint.replace(/\/+$/, "")}/${bucket}/`;
    this.#client = new AwsClient({
      accessKeyId: variable("AWS_ACCESS_KEY_ID"),
      secretAccessKey: variable("AWS_SECRET_ACCESS_KEY"),
      ...(environment.AWS_SESSION_TOKEN ? { sessionToken: environment.AWS_SESSION_TOKEN } : {}),
      service: "s3",
      region,
      retries: 4,
      initRetryMs: 200,
    });
  }

  async #request(
    method: string,
    address: string,
    what: string,
    body?: Uint8Array<ArrayBuffer>,
  ): Promise<Response> {
    const fail = (problem: string, cause?: unknown): never => {
      throw new CheckpointError(`shared place ${this.location}: ${what}: ${problem}`, { cause });
    };
    let response: Response;
    try {
      response = await this.#client.fetch(address, {
        method,
        ...(body === undefined ? {} : { body, headers: { "content-type": "application/octet-stream" } }),
      });
    } catch (error) {
      const { message, cause } = error as Error;
      return fail(cause instanceof Error && cause.message !== "" ? cause.message : message, error);
    }
    if (response.ok) return response;
    const [code] = elements(await textOf(response, fail), "Code");
    return fail(`answers ${response.status}${code === undefined ? "" : ` ${code}`}`);
  }

  #address(name: string): string {
    return this.#base + encodeKey(this.#prefix + checkSharedName(name, this.location));
  }

  async put(name: string, file: string): Promise<void> {
    await this.#request("PUT", this.#address(name), name, readFileSync(file));
  }

  async get(name: string, file: string): Promise<void> {
    const response = await this.#request("GET", this.#address(name), name);
    try {
      await pipeline(Readable.fromWeb(response.body as ReadableStream), createWriteStream(file));
    } catch (error) {
      throw new CheckpointError(`shared place ${this.location}: ${name}: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  async list(folder: string): Promise<string[]> {
    const fail = (problem: string): never => {
      throw new CheckpointError(`shared place ${this.location}: list: ${problem}`);
    };
    const names: string[] = [];
    const tokens = new Set<string>();
    let token: string | undefined;
    do {
      const query = new URLSearchParams({
        "list-type": "2",
        prefix: this.#prefix + folder,
        ...(token === undefined ? {} : { "continuation-token": token }),
      });
      const xml = await textOf(await this.#request("GET", `${this.#base}?${query}`, "list"), fail);
      for (const key of elements(xml, "Key")) {
        // What consoles make in the place of empty folders.
        if (key.endsWith("/")) continue;
        const name = key.slice(this.#prefix.length);
        if (!key.startsWith(this.#prefix + folder) || !isSharedName(name))
          fail(`answers with the key ${JSON.stringify(key)}, which isn't below ${this.#prefix}${folder}`);
        names.push(name);
      }
      [token] = elements(xml, "NextContinuationToken");
      if (token === undefined) return names;
      if (tokens.has(token))
        fail(`answers with the same continuation token again after ${tokens.size} pages`);
      tokens.add(token);
    } while (tokens.size < mostPages);
    return fail(`answers with more than ${mostPages} pages`);
  }

  async delete(name: string): Promise<void> {
    await this.#request("DELETE", this.#address(name), name);
  }
}
