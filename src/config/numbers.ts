import { z } from "zod";
import { maxSeed } from "../numbers/index.ts";

export const positive = z.number().positive();
export const count = z.number().int().positive();
export const countOrZero = z.number().int().nonnegative();
export const fraction = z.number().min(0).lt(1);

/** See `checkSeed`: all bits of a seed count. */
export const seed = z.number().int().min(0).max(maxSeed);
