/** A process that started this one, and follows it through a channel. */
export interface FollowingProcess {
  /** @param message - plain data */
  tell(message: object): void;
}

/** Who follows this command, or null: it then ends with them, as nobody would know of it. */
export function followingProcess(): FollowingProcess | null {
  if (process.send === undefined) return null;
  process.once("disconnect", () => process.exit(1));
  // It doesn't keep this process alive: the command's end is its end.
  process.channel?.unref();
  return { tell: (message) => void process.send?.(message) };
}
