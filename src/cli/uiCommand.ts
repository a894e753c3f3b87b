import { isLoopbackHost, startUi } from "../ui/index.ts";
import { besideVariable } from "./besideVariable.ts";
import { ensurePage } from "./ensurePage.ts";
import { measureBeside } from "./measureBeside.ts";
import { out, warn } from "./print.ts";

export interface UiFlags {
  readonly host: string;
  readonly port: number;
  readonly home: string;
}

/** Resolves when a person presses Ctrl-C, a manager asks for an end, or the command that started this one has ended. */
function untilStopped(isBeside: boolean): Promise<void> {
  return new Promise((resolve) => {
    process.on("SIGTERM", () => resolve());
    // Beside a training, Ctrl-C is the training's: it saves a checkpoint yet, and the page shows it.
    process.on("SIGINT", () => {
      if (!isBeside) resolve();
    });
    if (isBeside) process.on("disconnect", () => resolve());
  });
}

/** `rotor ui`: serves the page until Ctrl-C. */
export async function uiCommand({ host, port, home }: UiFlags): Promise<number> {
  await ensurePage();
  // A process manager, too, may have a channel to those it starts: it gets what everybody gets.
  const isBeside = process.send !== undefined && process.env[besideVariable] === String(process.ppid);
  await using ui = await startUi({
    home,
    host,
    port,
    measure: (question) => measureBeside(home, question),
  });
  // Before the address is known: whoever has it may end the page at once.
  const stopped = untilStopped(isBeside);
  if (isBeside) process.send!({ address: ui.address });
  else {
    out(`${ui.address}  shows ${home}; Ctrl-C ends it`);
    if (!isLoopbackHost(host))
      warn(
        "whoever has this address sees all runs: it travels unencrypted, so only use it in a network that you trust, or through ssh -L",
      );
  }
  await stopped;
  return 0;
}
