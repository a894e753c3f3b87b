import { setTimeout as sleep } from "node:timers/promises";
import { DatabaseAwayError } from "../errors.ts";

/** Seconds that commands and workers wait for a store that is away. */
export const defaultPatienceSeconds = 300;

export interface Patience {
  /** Seconds after which the store's own error is thrown. Default 300. */
  readonly seconds?: number;
  /** After it, the next try is the last. */
  readonly signal?: AbortSignal | undefined;
  /** Is told once that the store is away, and once that it is back. */
  readonly onNote?: ((message: string) => void) | undefined;
}

/**
 * Repeats a call while its store is away: a server that restarts, a file that another process has locked.
 *
 * @param call - may be repeated: what threw DatabaseAwayError has done nothing
 * @throws what the call throws, DatabaseAwayError only after the patience
 */
export async function patiently<T>(
  call: () => T | Promise<T>,
  { seconds = defaultPatienceSeconds, signal, onNote }: Patience = {},
): Promise<T> {
  const begin = performance.now();
  for (let pause = 100; ; pause = Math.min(2 * pause, 5000)) {
    try {
      const result = await call();
      if (pause > 100) onNote?.("the store is back");
      return result;
    } catch (error) {
      const waited = (performance.now() - begin) / 1000;
      if (!(error instanceof DatabaseAwayError) || signal?.aborted === true || waited > seconds) throw error;
      if (pause === 100) onNote?.(`${error.message}; trying again for ${seconds} s`);
      await sleep(pause, undefined, signal === undefined ? {} : { signal }).catch(() => {});
    }
  }
}
