/** A row of a table. */
export interface DataRecord {
  /** Where it lies, for messages: `data.jsonl: line 7`. */
  readonly where: string;
  /** Names it: its file and its line or row. */
  readonly key: string;
  /** Values of the fields that were asked for, in that order; undefined for what isn't there. */
  readonly values: readonly unknown[];
}
