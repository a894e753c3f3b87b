/**
 * The signal that a person sends with Ctrl-C: the first asks for an orderly end, the second ends at once.
 *
 * @param doing - what happens meanwhile, for the message
 */
export function interruptSignal(doing: string): AbortSignal {
  const controller = new AbortController();
  process.on("SIGINT", () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
    process.stderr.write(`\nrotor: ${doing} (Ctrl-C again to stop at once)\n`);
  });
  return controller.signal;
}
