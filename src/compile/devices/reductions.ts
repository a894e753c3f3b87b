/** Reductions, what an absent element counts as, and the reduction of several of their results. */
export const reductions: Readonly<Record<string, { readonly neutral: number; readonly again: string }>> = {
  ReduceSum: { neutral: 0, again: "ReduceSum" },
  ReduceSumSquare: { neutral: 0, again: "ReduceSum" },
  ReduceMax: { neutral: Number.NEGATIVE_INFINITY, again: "ReduceMax" },
  ReduceMin: { neutral: Number.POSITIVE_INFINITY, again: "ReduceMin" },
};
