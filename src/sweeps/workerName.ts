import { hostname } from "node:os";
import { isAlive, startOf } from "../runs/index.ts";

/** Name of a worker's slot: `<host>:<process id>:<slot>:<start of the process>`. */
export function workerName(slot: number): string {
  return `${hostname()}:${process.pid}:${slot}:${startOf(process.pid)}`;
}

/** Whether the process of a worker lives; of other machines' nothing is known. */
export function lifeOf(worker: string): "lives" | "ended" | "unknown" {
  const [host, pid = "", , start = ""] = worker.split(":");
  if (host !== hostname() || !/^[1-9]\d{0,8}$/.test(pid)) return "unknown";
  return isAlive(Number(pid), start) ? "lives" : "ended";
}
