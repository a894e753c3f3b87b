import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { makeFolder, writeFileAtomically } from "../data/index.ts";
import { firstProblem, identifierSchema, removeInside } from "../runs/index.ts";
import { outcomeSchema } from "./storedTrial.ts";
import type { ClaimKey, TrialOutcome } from "./trialStore.ts";

const resultSchema = z.object({
  /** Of the store that the result is for; versions before this one wrote none. */
  location: z.string().optional(),
  claim: z.object({
    trial: z.object({ id: identifierSchema, sweepId: identifierSchema }),
    fence: z.int().positive(),
  }),
  outcome: outcomeSchema,
});

/** Results in a folder of this machine, until the store has them. */
export class Outbox {
  readonly #folder: string;
  readonly #location: string;

  /** @param location - of the store that the results are for */
  constructor(folder: string, location: string) {
    this.#folder = folder;
    this.#location = location;
  }

  #nameOf({ trial, fence }: ClaimKey): string {
    return `${trial.id}.${fence}.json`;
  }

  keep(claim: ClaimKey, outcome: TrialOutcome): void {
    const { trial, fence } = claim;
    const result: z.infer<typeof resultSchema> = {
      location: this.#location,
      claim: { trial: { id: trial.id, sweepId: trial.sweepId }, fence },
      outcome,
    };
    writeFileAtomically(path.join(this.#folder, this.#nameOf(claim)), JSON.stringify(result));
  }

  forget(claim: ClaimKey): void {
    removeInside(this.#folder, this.#nameOf(claim));
  }

  /**
   * Offers what lies here to the store. A file that can't be used stays where it is, and stops nothing; so does a result for another store.
   *
   * @param record - takes a result, or says false to one that isn't needed any more
   * @param onNote - is told of each file
   */
  async deliver(
    record: (claim: ClaimKey, outcome: TrialOutcome) => Promise<boolean>,
    onNote: (message: string) => void,
  ): Promise<void> {
    makeFolder(this.#folder);
    for (const name of readdirSync(this.#folder).filter((entry) => entry.endsWith(".json"))) {
      const file = path.join(this.#folder, name);
      let json: unknown;
      try {
        json = JSON.parse(readFileSync(file, "utf8"));
      } catch (error) {
        // Another worker was faster with it.
        if ((error as NodeJS.ErrnoException).code !== "ENOENT")
          onNote(`result ${file}: can't be read, and stays there: ${(error as Error).message}`);
        continue;
      }
      const parsed = resultSchema.safeParse(json);
      if (!parsed.success) {
        onNote(`result ${file}: is damaged, and stays there: ${firstProblem(parsed.error)}`);
        continue;
      }
      const { location = this.#location, claim, outcome } = parsed.data;
      if (location !== this.#location) {
        onNote(`result ${file}: is for ${location}, and stays there`);
        continue;
      }
      const recorded = await record(claim, outcome);
      removeInside(this.#folder, name);
      onNote(
        `trial ${claim.trial.id}: its result, kept here, was ${recorded ? "recorded" : "not needed any more"}`,
      );
    }
  }
}
