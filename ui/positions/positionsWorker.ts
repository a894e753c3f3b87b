import { answerPositions, type PositionsAnswer, type PositionsQuestion } from "./positionsAnswer.ts";

/** What the worker is asked. */
export interface WorkerQuestion {
  readonly id: number;
  readonly question: PositionsQuestion;
}

export interface WorkerAnswer {
  readonly id: number;
  readonly answer: PositionsAnswer;
}

addEventListener("message", ({ data: { id, question } }: MessageEvent<WorkerQuestion>) => {
  answerPositions(question)
    .catch(
      (error: unknown): PositionsAnswer => ({
        kind: "refused",
        problem: error instanceof Error ? error.message : String(error),
      }),
    )
    .then((answer) => postMessage({ id, answer } satisfies WorkerAnswer));
});
