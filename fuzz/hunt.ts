import { Worker } from "node:worker_threads";
import fc from "fast-check";
import { loadBorder } from "./border.ts";
import { causeOf, type Find, parametersOf } from "./search.ts";
import { progressAt, type SearchMessage, type SearchWork } from "./searchWorker.ts";

export interface HuntOptions {
  /** Inputs that are tried, over all rounds. */
  readonly runs: number;
  readonly seed: number;
  /** Seconds after which no further round begins. */
  readonly seconds?: number;
  /** An input that takes longer hangs. */
  readonly patienceSeconds?: number;
  /** Memory that one thread may take beyond what it took at the beginning. */
  readonly memoryMegabytes?: number;
}

export interface Hunt {
  readonly right: number;
  readonly refused: number;
  /** One of each cause. */
  readonly finds: readonly Find[];
  /** Inputs that failed like one found before. */
  readonly repeats: number;
  /** The most memory that the process grew by. */
  readonly peakMegabytes: number;
}

/** Each round has its own thread and seed; a failure ends a round, so that all kinds come to light. */
const runsPerRound = 500;
const megabyte = 2 ** 20;

/** A border's search in a thread of its own, which is ended when an input takes too long or too much. */
async function round(
  work: SearchWork,
  options: Required<Pick<HuntOptions, "patienceSeconds" | "memoryMegabytes">>,
  takesTooMuch: () => boolean,
): Promise<Find | null> {
  const { module, seed, progress } = work;
  progress.fill(0);
  progress[progressAt.begun] = Number.POSITIVE_INFINITY;
  const worker = new Worker(new URL("./searchWorker.ts", import.meta.url), {
    workerData: work,
    resourceLimits: { maxOldGenerationSizeMb: options.memoryMegabytes },
  });
  let failure: Find | null = null;
  let watch: ReturnType<typeof setInterval> | undefined;
  try {
    const ended = await new Promise<Find | null | "hang" | "memory">((resolve, reject) => {
      worker.on("message", (message: SearchMessage) => {
        if (message.kind === "end") resolve(message.find);
        else failure = message.find;
      });
      worker.on("error", (error: NodeJS.ErrnoException) =>
        error.code === "ERR_WORKER_OUT_OF_MEMORY" ? resolve("memory") : reject(error),
      );
      watch = setInterval(() => {
        if (takesTooMuch()) resolve("memory");
        if (Date.now() - progress[progressAt.begun]! > 1000 * options.patienceSeconds) resolve("hang");
      }, 50);
    });
    if (ended !== "hang" && ended !== "memory") return ended;
    // Shrinking came upon it: the input that was found stands as it is.
    if (failure !== null) return failure;
    const { inputs } = await loadBorder(module);
    const index = progress[progressAt.index]!;
    return {
      kind: ended,
      what:
        ended === "hang"
          ? `takes longer than ${options.patienceSeconds} s`
          : `takes more than ${options.memoryMegabytes} MB`,
      input: fc.sample(inputs, { ...parametersOf(seed), numRuns: index + 1 })[index],
    };
  } finally {
    clearInterval(watch);
    await worker.terminate();
  }
}

/** Puts many inputs to a border, each round of them in a thread that is watched for hangs and memory. */
export async function hunt(module: string, options: HuntOptions): Promise<Hunt> {
  const { runs, seed, seconds = Number.POSITIVE_INFINITY } = options;
  const { patienceSeconds = 5, memoryMegabytes = 1024 } = options;
  const progress = new Float64Array(new SharedArrayBuffer(40));
  const begun = process.memoryUsage.rss();
  const end = Date.now() + 1000 * seconds;
  let [right, refused, repeats, peak] = [0, 0, 0, 0];
  const takesTooMuch = () => {
    const grown = process.memoryUsage.rss() - begun;
    peak = Math.max(peak, grown);
    return grown > memoryMegabytes * megabyte;
  };
  const finds = new Map<string, Find>();
  for (let done = 0, number = 0; done < runs && Date.now() < end; done += runsPerRound, number++) {
    const work = {
      module,
      seed: (seed + number) | 0,
      runs: Math.min(runsPerRound, runs - done),
      known: [...finds.keys()],
      progress,
    };
    const find = await round(work, { patienceSeconds, memoryMegabytes }, takesTooMuch);
    right += progress[progressAt.right]!;
    refused += progress[progressAt.refused]!;
    repeats += progress[progressAt.known]!;
    if (find === null) continue;
    if (finds.has(causeOf(find))) repeats++;
    else finds.set(causeOf(find), find);
  }
  return { right, refused, repeats, finds: [...finds.values()], peakMegabytes: peak / megabyte };
}
