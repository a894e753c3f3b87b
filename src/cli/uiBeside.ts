import { fork } from "node:child_process";
import { once } from "node:events";
import { ConfigError } from "../errors.ts";
import { besideVariable } from "./besideVariable.ts";
import { mainFile } from "./mainFile.ts";
import { print } from "./print.ts";

/**
 * Serves the page in a process of its own, beside a training that keeps this one busy, until it is disposed of. Its address goes to standard
 * error, as the result may go to a program.
 *
 * @param port - true for the usual one
 * @throws ConfigError if the page can't be served; nothing has been trained then
 */
export async function uiBeside(home: string, port: number | true): Promise<AsyncDisposable> {
  const args = ["ui", "--home", home, ...(port === true ? [] : ["--port", String(port)])];
  const child = fork(mainFile, args, {
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    execArgv: [],
    env: { ...process.env, [besideVariable]: String(process.pid) },
  });
  let errors = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    errors += text;
  });
  const ended = once(child, "exit");
  const address = await Promise.race([
    once(child, "message").then(([message]) => (message as { address: string }).address),
    ended.then(async () => {
      if (!child.stderr!.readableEnded) await once(child.stderr!, "end");
      throw new ConfigError(
        `--ui: ${
          errors
            .trim()
            .split("\n")
            .at(-1)
            ?.replace(/^rotor: /, "") ?? "the page ended"
        }`,
      );
    }),
  ]);
  print(`page: ${address}\n`, process.stderr);
  return {
    async [Symbol.asyncDispose]() {
      // It ends with this process, however that ends: it watches the connection.
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}
