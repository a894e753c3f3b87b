import { z } from "zod";

/** What `rotor tune` was asked for, kept with its sweep so that it can go on. */
export const tuneSchema = z.strictObject({
  /** Preset or configuration file, as it was given. */
  reference: z.string(),
  /** `path=value`, laid over it. */
  settings: z.array(z.string()),
  /** Minutes that it may take, trials of an earlier process counted. */
  minutes: z.number().positive(),
  /** Steps of the configuration; those of a trial are fewer where the time doesn't suffice. */
  steps: z.number().int().positive(),
  /** Whether a checkpoint of the best trial is measured. */
  measure: z.boolean(),
  /** Batch sizes to carry the answer to. */
  at: z.array(z.number().positive()),
});

export type TuneSettings = z.infer<typeof tuneSchema>;
