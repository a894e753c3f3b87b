import { ConfigError } from "../errors.ts";
import { defaultPatienceSeconds, type Patience } from "../runs/index.ts";
import { commandLine } from "./commandLine.ts";
import { warn } from "./print.ts";

/** Command that makes a store of runs anew. */
export const rebuildCommand = commandLine("runs rebuild");

/** Variable of the environment with the seconds that commands wait for a store that is away. */
const patienceVariable = "ROTOR_PATIENCE";

/** How long a command waits for a store that another process has locked, or whose server restarts; it says so on standard error. */
export function commandPatience(signal?: AbortSignal): Patience & { readonly seconds: number } {
  const text = process.env[patienceVariable] ?? "";
  const seconds = text === "" ? defaultPatienceSeconds : Number(text);
  if (!(seconds >= 0)) throw new ConfigError(`${patienceVariable} "${text}": expected seconds, 0 or more`);
  return { seconds, signal, onNote: (message) => warn(message) };
}
