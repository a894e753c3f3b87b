/**
 * Threads of one operator that make sense: those that were asked for, but not more than there are cores. More would only take the cores from
 * each other.
 *
 * @example
 * ```ts
 * usableThreads(1); // => 1
 * ```
 */
export function usableThreads(threads: number): number {
  const cores = globalThis.navigator?.hardwareConcurrency ?? threads;
  return Math.max(1, Math.min(threads, cores));
}

/**
 * What a person should know of threads that are bounded, or null if they aren't. @param what - who asks for them, as `training.threads`
 *
 * @example
 * ```ts
 * threadsNote(1, "training.threads"); // => null
 * ```
 */
export function threadsNote(threads: number | undefined, what: string): string | null {
  if (threads === undefined) return null;
  const usable = usableThreads(threads);
  return usable === threads
    ? null
    : `${what} ${threads}: this machine has ${usable} cores, and as many threads are used`;
}
