import path from "node:path";

/** Names of {@link SourceFormat}. */
export const sourceFormats = ["text", "jsonl", "csv", "parquet"] as const;

/** What a file of texts is: one document, or a table with a document in each row. */
export type SourceFormat = (typeof sourceFormats)[number];

/** How a whole file is compressed. */
export type SourceCompression = "gzip" | "zstd";

const compressions: Readonly<Record<string, SourceCompression>> = { ".gz": "gzip", ".zst": "zstd" };

const formats: Readonly<Record<string, SourceFormat>> = {
  ".txt": "text",
  ".md": "text",
  ".jsonl": "jsonl",
  ".ndjson": "jsonl",
  ".csv": "csv",
  ".tsv": "csv",
  ".parquet": "parquet",
};

/** Endings of the files that are taken from a folder; each but `.parquet` may have `.gz` or `.zst` behind it. */
export const sourceEndings: readonly string[] = Object.keys(formats);

/** What a file's name says of it. */
export interface NamedFormat {
  /** Null for an ending that isn't known. */
  readonly format: SourceFormat | null;
  readonly compression: SourceCompression | null;
  /** The name without the endings. */
  readonly stem: string;
  /** What fields of CSV are separated by. */
  readonly delimiter: "," | "\t";
}

/** Reads the endings of a file's name, capitals or not. */
export function namedFormat(file: string): NamedFormat {
  const outer = path.extname(file).toLowerCase();
  const compression = compressions[outer] ?? null;
  const inner = compression === null ? file : file.slice(0, -outer.length);
  const ending = path.extname(inner).toLowerCase();
  const format = formats[ending] ?? null;
  // Pages of Parquet are compressed one by one.
  const isKnown = format !== null && !(format === "parquet" && compression !== null);
  return {
    format: isKnown ? format : null,
    compression,
    stem: path.basename(inner, path.extname(inner)),
    delimiter: ending === ".tsv" ? "\t" : ",",
  };
}
