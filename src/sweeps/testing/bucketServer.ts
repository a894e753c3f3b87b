import { createHash, createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";

const sha256 = (data: string | Buffer) => createHash("sha256").update(data).digest("hex");
const hmac = (key: string | Buffer, data: string) => createHmac("sha256", key).update(data).digest();

/** Names in a listing's answer, so that a listing takes several. */
const pageSize = 2;

/**
 * A store that answers as S3 does to what checkpoints need, and checks each request's signature (version 4) with code of its own.
 *
 * Source of the signature: Amazon S3, "Authenticating Requests (AWS Signature Version 4)".
 */
export class BucketServer implements AsyncDisposable {
  readonly objects = new Map<string, Buffer>();
  /** Answers that are sent before any other, for trouble. */
  readonly failures: number[] = [];
  /** Answers listings in the place of the true one. */
  listing: (() => string) | null = null;
  readonly environment: Record<string, string>;
  readonly #server: Server;

  private constructor(server: Server, environment: Record<string, string>) {
    this.#server = server;
    this.environment = environment;
  }

  static async start(): Promise<BucketServer> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const bucket = new BucketServer(server, {
      AWS_ACCESS_KEY_ID: "KEY",
      AWS_SECRET_ACCESS_KEY: "se/cret+key",
      AWS_SESSION_TOKEN: "session",
      AWS_REGION: "eu-test-1",
      AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
    });
    server.on("request", async (request, response) => {
      const body = Buffer.concat(await request.toArray());
      const [status, answer] = bucket.#answer(request, body);
      response.writeHead(status).end(answer);
    });
    return bucket;
  }

  #answer(request: IncomingMessage, body: Buffer): [status: number, body: string | Buffer] {
    const failure = this.failures.shift();
    if (failure !== undefined) return [failure, "<Error><Code>SlowDown</Code></Error>"];
    if (!this.#isSigned(request, body)) return [403, "<Error><Code>SignatureDoesNotMatch</Code></Error>"];
    const url = new URL(request.url!, this.environment.AWS_ENDPOINT_URL);
    const [bucket, ...rest] = decodeURIComponent(url.pathname).slice(1).split("/");
    const key = rest.join("/");
    if (bucket !== "bucket") return [404, "<Error><Code>NoSuchBucket</Code></Error>"];
    if (request.method === "PUT") {
      this.objects.set(key, body);
      return [200, ""];
    }
    if (request.method === "DELETE") {
      this.objects.delete(key);
      return [204, ""];
    }
    if (url.searchParams.get("list-type") === "2")
      return [200, this.listing === null ? this.#list(url.searchParams) : this.listing()];
    const object = this.objects.get(key);
    return object === undefined ? [404, "<Error><Code>NoSuchKey</Code></Error>"] : [200, object];
  }

  #list(query: URLSearchParams): string {
    const after = Number(query.get("continuation-token") ?? 0);
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(query.get("prefix")!)).sort();
    const page = keys
      .slice(after, after + pageSize)
      .map((key) => `<Key>${key.replaceAll("&", "&amp;")}</Key>`);
    const more = after + pageSize < keys.length;
    const next = more ? `<NextContinuationToken>${after + pageSize}</NextContinuationToken>` : "";
    return `<ListBucketResult>${page.join("")}${next}</ListBucketResult>`;
  }

  #isSigned({ method, url, headers }: IncomingMessage, body: Buffer): boolean {
    const match =
      /^AWS4-HMAC-SHA256 Credential=KEY\/(\d+)\/eu-test-1\/s3\/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]+)$/.exec(
        headers.authorization ?? "",
      );
    if (match === null) return false;
    const [, date, signed, signature] = match;
    const hash = headers["x-amz-content-sha256"] as string;
    if (hash !== "UNSIGNED-PAYLOAD" && hash !== sha256(body)) return false;
    if (headers["x-amz-security-token"] !== "session") return false;
    const { pathname, searchParams } = new URL(url!, this.environment.AWS_ENDPOINT_URL);
    const encode = (text: string) =>
      encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
    const query = [...searchParams]
      .map(([name, value]) => `${encode(name)}=${encode(value)}`)
      .sort()
      .join("&");
    const canonical = [
      method,
      pathname
        .split("/")
        .map((part) => encode(decodeURIComponent(part)))
        .join("/"),
      query,
      ...signed!.split(";").map((name) => `${name}:${String(headers[name]).trim()}`),
      "",
      signed,
      hash,
    ].join("\n");
    const toSign = [
      "AWS4-HMAC-SHA256",
      headers["x-amz-date"],
      `${date}/eu-test-1/s3/aws4_request`,
      sha256(canonical),
    ].join("\n");
    const key = ["eu-test-1", "s3", "aws4_request"].reduce<Buffer>(
      (inner, part) => hmac(inner, part),
      hmac(`AWS4${this.environment.AWS_SECRET_ACCESS_KEY}`, date!),
    );
    return hmac(key, toSign).toString("hex") === signature;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}
