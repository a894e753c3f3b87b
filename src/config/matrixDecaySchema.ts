import { z } from "zod";
import { count } from "./numbers.ts";

/** Which matrices decay. */
export const matrixKinds = z.array(z.enum(["matrix", "embedding", "head"])).nonempty();

const decayOptions = {
  strength: z.number().nonnegative(),
  /** Multiplied by the schedule only, not by its peak. */
  independent: z.boolean().exactOptional(),
};

/** Decay of matrices, decoupled from the direction. */
export const matrixDecaySchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("frobenius"), ...decayOptions, cautious: z.boolean().exactOptional() }),
  z.strictObject({
    kind: z.literal("spectral"),
    ...decayOptions,
    steps: count.exactOptional(),
    start: z.enum(["warm", "ones"]).exactOptional(),
  }),
  z.strictObject({
    kind: z.literal("top-k"),
    ...decayOptions,
    k: count,
    steps: count.exactOptional(),
    start: z.enum(["warm", "ones"]).exactOptional(),
  }),
  z.strictObject({
    kind: z.literal("schatten"),
    ...decayOptions,
    p: count.exactOptional(),
    normalized: z.boolean().exactOptional(),
  }),
]);
