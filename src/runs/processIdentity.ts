import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** What the kernel tells of a process after its name, which stands in parentheses and may hold anything; null if it tells nothing. */
function statOf(pid: number): string[] | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return null;
  }
}

/**
 * When a process began, or "" where the system doesn't tell: a number that is given again, as in containers whose trainer is always
 * process 7, is another process.
 */
export function startOf(pid: number): string {
  // In the kernel's ticks since it began itself.
  if (process.platform === "linux") return statOf(pid)?.[19] ?? "";
  if (process.platform === "win32") return "";
  const { stdout } = spawnSync("ps", ["-o", "lstart=", "-p", String(pid)], {
    encoding: "utf8",
    env: { ...process.env, LC_ALL: "C" },
  });
  return (stdout ?? "").trim().replace(/\s+/g, "-");
}

/** Whether a process lives, or may: a process that is stopped lives. */
export function isAlive(pid: number, start: string): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  // A process that has ended and whose parent hasn't asked for its exit code yet.
  if (process.platform === "linux" && statOf(pid)?.[0] === "Z") return false;
  const now = startOf(pid);
  return start === "" || now === "" || start === now;
}
