import { print } from "./print.ts";
/**
 * The signal that a person sends with Ctrl-C, and a cluster's manager with SIGTERM: the first asks for an orderly end, the second ends
 * at once.
 *
 * @param doing - what happens meanwhile, for the message
 */
export function interruptSignal(doing: string): AbortSignal {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
    print(`\nrotor: ${doing} (Ctrl-C again to stop at once)\n`, process.stderr);
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  return controller.signal;
}
