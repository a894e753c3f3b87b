import { threadsNote, usableThreads } from "../compile/index.ts";
import { warn } from "./print.ts";

/** Threads that are asked for, bounded by the cores, with a note. @param what - who asks, as `--threads` */
export function boundedThreads(threads: number, what: string): number {
  const note = threadsNote(threads, what);
  if (note !== null) warn(note);
  return usableThreads(threads);
}
