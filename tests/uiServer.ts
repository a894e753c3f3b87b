import { once } from "node:events";
import { start } from "./command.ts";

export interface UiProcess extends AsyncDisposable {
  /** As `rotor ui` printed it. */
  readonly address: string;
}

/** The real `rotor ui` of a folder, at a free port. */
export async function startUiCommand(folder: string, program?: string): Promise<UiProcess> {
  const { child, finished } = start(folder, ["ui", "--port", "0"], program);
  let text = "";
  const address = await Promise.race([
    new Promise<string>((resolve) => {
      child.stdout!.on("data", (more: string) => {
        text += more;
        const match = /^(http:\S+) /.exec(text);
        if (match !== null) resolve(match[1]!);
      });
    }),
    finished.then(({ stderr, code }) => {
      throw new Error(`rotor ui ended with ${code}: ${stderr}`);
    }),
  ]);
  return {
    address,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null) {
        child.kill("SIGINT");
        await once(child, "close");
      }
    },
  };
}
