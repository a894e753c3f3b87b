import { type FitView, fitTable, type NoFit } from "./fitView.ts";

/** What the worker is asked. */
export interface FitQuestion {
  readonly id: number;
  readonly content: string;
  readonly name: string;
  readonly at: readonly number[];
}

export interface FitAnswer {
  readonly id: number;
  readonly fit: FitView | NoFit;
}

addEventListener("message", ({ data: { id, content, name, at } }: MessageEvent<FitQuestion>) => {
  postMessage({ id, fit: fitTable(content, name, at) } satisfies FitAnswer);
});
