import { DeviceBuffer, type Elements, type EngineData } from "../elements.ts";

/** Buffers that a run reads and fills, as far as they are on the device. */
export type Route = string;

/** What is known of the runs that take one route. */
interface Recording {
  /** ONNX Runtime's number of it. */
  readonly id: number;
  /** Runs so far. */
  numRuns: number;
}

/** How a run is done. */
export type Mode = "plain" | "record" | "check" | "replay";

/** Routes at most: a state's two sets of buffers make two, a few more come and go with a checkpoint that is read back. */
const mostRoutes = 8;
/** How often all may be given up before nothing is recorded any more. */
const mostRestarts = 8;

/**
 * Says which runs of a session are recorded, and which recording is run again.
 *
 * ONNX Runtime's provider records the kernels of a run with their buffers, and can do a recording again without looking at the graph. It holds for
 * the very buffers: here a run's *route*. A route's first run is done as usual, the second recorded, the third done again from the recording and,
 * beside it, as usual: what isn't a kernel (copies between buffers) isn't recorded, and nothing says so. If both give the same bits, the
 * recording is trusted from then on, else nothing is recorded any more.
 */
export class Recorder {
  readonly #renew: (records: boolean) => void;
  readonly #recordings = new Map<Route, Recording>();
  #nextId = 1;
  #numRestarts = 0;
  #isOver = false;

  /**
   * @param renew - makes the session anew, without its recordings, and says whether it will record others. Asked to release a recording alone,
   *   ONNX Runtime 1.30 does, and ends the process with a segmentation fault some runs later.
   */
  constructor(renew: (records: boolean) => void) {
    this.#renew = renew;
  }

  /** How the next run, which takes this route, is done, and under which number it is recorded. */
  next(route: Route): { readonly mode: Mode; readonly id: number } {
    if (this.#isOver) return { mode: "plain", id: 0 };
    let known = this.#recordings.get(route);
    if (known === undefined) {
      // Buffers that are gone never come back.
      if (this.#recordings.size === mostRoutes) this.#forget(++this.#numRestarts <= mostRestarts);
      if (this.#isOver) return { mode: "plain", id: 0 };
      known = { id: this.#nextId++, numRuns: 0 };
      this.#recordings.set(route, known);
    }
    const modes = ["plain", "record", "check"] as const;
    const mode = modes[known.numRuns++] ?? "replay";
    return { mode, id: known.id };
  }

  /** The last run of a route threw: it counts for nothing. */
  failed(route: Route): void {
    const known = this.#recordings.get(route);
    if (known !== undefined) known.numRuns--;
  }

  /** After a check: whether the recording did the same as the run. */
  judge(isSame: boolean): void {
    if (!isSame) this.#forget(false);
  }

  #forget(goesOn: boolean): void {
    this.#recordings.clear();
    this.#isOver = !goesOn;
    this.#renew(goesOn);
  }
}

/** A number for the bits of arrays, which two runs are compared by. */
export function digest(arrays: readonly Elements[]): number {
  let hash = 0x811c9dc5;
  for (const elements of arrays) {
    const { buffer, byteOffset, byteLength }: EngineData =
      elements instanceof DeviceBuffer ? elements.read() : elements;
    const Words = (byteOffset | byteLength) % 4 === 0 ? Uint32Array : Uint8Array;
    const words = new Words(buffer, byteOffset, byteLength / Words.BYTES_PER_ELEMENT);
    for (const word of words) hash = Math.imul(hash ^ word, 0x01000193);
  }
  return hash;
}
