// A process that trains the trials it is sent, one after the other: see TrialPool.
import { type TrainTrial, trainTrial } from "./trainTrial.ts";

process.on("message", async ({ trial, home }: { trial: TrainTrial; home: string }) => {
  try {
    process.send!({ result: await trainTrial(trial, home) });
  } catch (error) {
    process.send!({ error: (error as Error).stack ?? String(error) });
  }
});
// Nobody waits for the result of a trial whose parent has ended.
process.on("disconnect", () => process.exit());
