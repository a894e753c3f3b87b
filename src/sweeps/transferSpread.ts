/** By how much the best learning rate of other widths missed that of the smallest, in the experiment transfer. */
export interface TransferSpread {
  /** Root mean square of the logarithm of the ratio. */
  readonly deviation: number;
  /** Where it comes from. */
  readonly note: string;
}

/** Written from experiments/transfer: `transferSpread.test.ts` holds both together. */
export const measuredSpreads = {
  adamw: { mup: 0.0957, spectral: 0.1813 },
  muon: { mup: 0.5225, spectral: 0.0788 },
} as const;

/** Widths between which it was measured. */
export const measuredWidths = [32, 128] as const;

/**
 * The spread of an optimizer under a parametrization; of one that wasn't measured, the largest there is.
 *
 * @param parametrization - other than standard
 */
export function transferSpread(optimizer: string, parametrization: string): TransferSpread {
  const own = (measuredSpreads as Readonly<Record<string, Readonly<Record<string, number>>>>)[optimizer];
  const range = `from width ${measuredWidths[0]} to ${measuredWidths[1]} in the experiment transfer`;
  const deviation = own?.[parametrization];
  if (deviation !== undefined)
    return {
      deviation,
      note: `carried rates missed by ${Math.exp(deviation).toFixed(2)}× typically ${range}`,
    };
  const all = Object.values(measuredSpreads).flatMap((spreads) => Object.values(spreads));
  return {
    deviation: Math.max(...all),
    note: `${optimizer} wasn't measured; of AdamW and Muon carried rates missed by at most ${Math.exp(Math.max(...all)).toFixed(2)}× typically ${range}`,
  };
}
