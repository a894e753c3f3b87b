import { createWriteStream, readFileSync } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { AwsClient } from "aws4fetch";
import { CheckpointError, ConfigError } from "../errors.ts";
import type { SharedFiles } from "./sharedFiles.ts";

const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function decodeXml(text: string): string {
  return text.replace(/&(#x[\da-f]+|#\d+|\w+);/gi, (whole, name: string) => {
    if (name.startsWith("#"))
      return String.fromCodePoint(
        /^#x/i.test(name) ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1)),
      );
    return entities[name] ?? whole;
  });
}

/** The texts of an XML element, wherever it stands. */
function elements(xml: string, name: string): string[] {
  return [...xml.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, "g"))].map(([, text]) => decodeXml(text!));
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
    if (match === null) throw new ConfigError(`shared place ${url}: expected s3://bucket/prefix`);
    const [, bucket, prefix = ""] = match;
    const variable = (name: string): string => {
      const value = environment[name];
      if (value === undefined || value === "")
        throw new ConfigError(`shared place ${url}: expected the variable ${name}`);
      return value;
    };
    const region = environment.AWS_REGION || environment.AWS_DEFAULT_REGION || "us-east-1";
    const endpoint = environment.AWS_ENDPOINT_URL_S3 || environment.AWS_ENDPOINT_URL;
    if (endpoint !== undefined && !/^https?:$/.test(URL.parse(endpoint)?.protocol ?? ""))
      throw new ConfigError(`AWS_ENDPOINT_URL ${endpoint}: expected http://… or https://…`);
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
    const [code] = elements(await response.text(), "Code");
    return fail(`answers ${response.status}${code === undefined ? "" : ` ${code}`}`);
  }

  #address(name: string): string {
    return this.#base + encodeKey(this.#prefix + name);
  }

  async put(name: string, file: string): Promise<void> {
    await this.#request("PUT", this.#address(name), name, readFileSync(file));
  }

  async get(name: string, file: string): Promise<void> {
    const response = await this.#request("GET", this.#address(name), name);
    try {
      await pipeline(Readable.fromWeb(response.body as never), createWriteStream(file));
    } catch (error) {
      throw new CheckpointError(`shared place ${this.location}: ${name}: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  async list(folder: string): Promise<string[]> {
    const names: string[] = [];
    let token: string | undefined;
    do {
      const query = new URLSearchParams({
        "list-type": "2",
        prefix: this.#prefix + folder,
        ...(token === undefined ? {} : { "continuation-token": token }),
      });
      const xml = await (await this.#request("GET", `${this.#base}?${query}`, "list")).text();
      names.push(...elements(xml, "Key").map((key) => key.slice(this.#prefix.length)));
      [token] = elements(xml, "NextContinuationToken");
    } while (token !== undefined);
    return names;
  }

  async delete(name: string): Promise<void> {
    await this.#request("DELETE", this.#address(name), name);
  }
}
