import { z } from "zod";
import { checkpointSteps } from "../../checkpoint/index.ts";
import { ConfigError } from "../../errors.ts";
import { firstProblem } from "../../runs/index.ts";
import { NotFoundError, route } from "../route.ts";
import { runOf } from "./run.ts";

const step = z.int().nonnegative();
const code = z
  .int()
  .nonnegative()
  .max(2 ** 31 - 1);

/** Characters of a prompt at most. */
const longestPrompt = 8000;
const prompt = z.string().max(longestPrompt);

const questionSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("continue"),
    step,
    prompt,
    ids: z.array(code).max(4096).default([]),
    tokens: z.int().min(1).max(256),
    temperature: z.number().min(0).max(100).default(0.8),
    topK: z.int().min(1).max(1_000_000).nullable().default(null),
    topP: z.number().gt(0).max(1).nullable().default(null),
    seed: z
      .int()
      .nonnegative()
      .max(2 ** 32 - 1)
      .default(0),
    choices: z.int().min(1).max(50).default(10),
  }),
  z.strictObject({ kind: z.literal("attention"), step, prompt, layer: z.int().nonnegative() }),
  z.strictObject({ kind: z.literal("atlas"), step, codebook: code, from: code, base: code }),
  z.strictObject({
    kind: z.literal("between"),
    step,
    codebook: code,
    base: code,
    codes: z.tuple([code, code]),
  }),
]);

/** Asks the model of a checkpoint: text, attention, pictures of codes. */
export const playgroundRoute = route({
  method: "POST",
  path: "/api/runs/:run/playground",
  answer(context, { params, body, signal }) {
    const run = runOf(context, params.run!);
    const parsed = questionSchema.safeParse(body);
    if (!parsed.success) throw new ConfigError(`playground: ${firstProblem(parsed.error)}`);
    const question = parsed.data;
    if (!checkpointSteps(run.directory).includes(question.step))
      throw new NotFoundError(`run ${run.id}: has no checkpoint of step ${question.step}`);
    return context.models.ask({ ...question, run: run.id }, signal);
  },
});
