/** A row of the table in Su-10592: what was found for matrices of one size and a number of steps. */
export interface PublishedRow {
  readonly rows: number;
  readonly columns: number;
  readonly steps: number;
  readonly kappa: number;
  readonly x1: number;
  readonly x2: number;
  /** Mean square error of the found triple, and of Muon's on the same singular values. */
  readonly error: number;
  readonly muonError: number;
}

const table: readonly (readonly [number, number, number, number, number, number, number, number])[] = [
  [1024, 1024, 3, 7.02, 0.83, 0.83, 0.10257, 0.18278],
  [1024, 1024, 5, 1.724, 0.935, 1.235, 0.02733, 0.04431],
  [2048, 1024, 3, 7.028, 0.815, 0.815, 0.01628, 0.06171],
  [2048, 1024, 5, 1.476, 0.983, 1.074, 0.00038, 0.02954],
  [4096, 1024, 3, 6.948, 0.802, 0.804, 0.00371, 0.02574],
  [4096, 1024, 5, 1.214, 1.047, 1.048, 0.00008, 0.02563],
  [2048, 2048, 3, 11.13, 0.767, 0.767, 0.10739, 0.2441],
  [2048, 2048, 5, 1.779, 0.921, 1.243, 0.03516, 0.04991],
  [4096, 4096, 3, 18.017, 0.705, 0.705, 0.11303, 0.33404],
  [4096, 4096, 5, 2.057, 0.894, 1.201, 0.047, 0.06372],
  [8192, 8192, 3, 30.147, 0.643, 0.643, 0.11944, 0.44843],
  [8192, 8192, 5, 2.31, 0.871, 1.168, 0.05869, 0.07606],
];

/** The twelve published rows. Source: Su-10592. */
export const publishedRows: readonly PublishedRow[] = table.map(
  ([rows, columns, steps, kappa, x1, x2, error, muonError]) => ({
    rows,
    columns,
    steps,
    kappa,
    x1,
    x2,
    error,
    muonError,
  }),
);
