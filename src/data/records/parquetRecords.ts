import { type FileHandle, open } from "node:fs/promises";
import { brotliDecompressSync, crc32, gunzipSync, zstdDecompressSync } from "node:zlib";
import {
  type ColumnMetaData,
  type Compressors,
  type FileMetaData,
  type PageHeader,
  type ParquetParsers,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
  type SchemaElement,
  type SchemaTree,
} from "hyparquet";
import { parquetHeader, readPage } from "hyparquet/src/column.js";
import { DataError } from "../../errors.ts";
import { checkMemory } from "../../memoryBudget.ts";
import type { DataRecord } from "./record.ts";

const limitOf = (length: number) => ({ maxOutputLength: Math.max(1, length) });

/** By Node's own libraries; snappy is the reader's. */
const compressors: Compressors = {
  GZIP: (input, length) => gunzipSync(input, limitOf(length)),
  ZSTD: (input, length) => zstdDecompressSync(input, limitOf(length)),
  BROTLI: (input, length) => brotliDecompressSync(input, limitOf(length)),
};
const codecs: readonly string[] = ["UNCOMPRESSED", "SNAPPY", ...Object.keys(compressors)];

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** Bytes stay bytes, so that a text that isn't UTF-8 can be named by its row. */
const asBytes = {
  stringFromBytes: (bytes: Uint8Array) => bytes,
  jsonFromBytes: (bytes: Uint8Array) => bytes,
};
const asText: Partial<ParquetParsers> = {
  stringFromBytes: (bytes: Uint8Array | undefined) => bytes && decoder.decode(bytes),
};

/** A header of a page is rarely longer; it grows with its statistics. */
const headerBytes = 1 << 13;
const maxHeaderBytes = 1 << 24;

/** A file that is read by its parts. */
interface PartReader {
  readonly byteLength: number;
  slice(start: number, end?: number): Promise<ArrayBuffer>;
}

function partReader(handle: FileHandle, byteLength: number, file: string): PartReader {
  const read = async (start: number, end: number): Promise<ArrayBuffer> => {
    if (!(start >= 0 && start <= end && end <= byteLength))
      throw new DataError(
        `${file}: points to bytes ${start} to ${end}, and has ${byteLength}: it is damaged`,
      );
    checkMemory(`${file}: a part of ${end - start} bytes`, end - start);
    const bytes = new Uint8Array(end - start);
    for (let done = 0; done < bytes.length; ) {
      const { bytesRead } = await handle.read(bytes, done, bytes.length - done, start + done);
      if (bytesRead === 0) throw new DataError(`${file}: ends before byte ${end}`);
      done += bytesRead;
    }
    return bytes.buffer;
  };
  return {
    byteLength,
    slice(start, end = byteLength) {
      const part = read(start, end);
      // hyparquet 1.33 asks for all parts beforehand: those that it doesn't come to, as one before them is damaged, would end the process.
      part.catch(() => {});
      return part;
    },
  };
}

/** Messages of the reader and of the unpackers, which know no file. */
function named<T>(what: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(`${what}: ${(error as Error).message}`, { cause: error });
  }
}

async function readMetadata(reader: PartReader, file: string): Promise<FileMetaData> {
  const magic = async (start: number) =>
    reader.byteLength < 12 ? "" : Buffer.from(await reader.slice(start, start + 4)).toString("latin1");
  const [first, last] = [await magic(0), await magic(reader.byteLength - 4)];
  if (first === "PARE" || last === "PARE")
    throw new DataError(`${file}: is encrypted Parquet, expected it in the clear`);
  if (first !== "PAR1") throw new DataError(`${file}: is not Parquet: it doesn't begin with PAR1`);
  if (last !== "PAR1") throw new DataError(`${file}: is cut off: Parquet ends with PAR1`);
  try {
    const metadata = await parquetMetadataAsync(reader, { geoparquet: false });
    // What is missing in a damaged footer is undefined, and no error.
    for (const { columns } of metadata.row_groups)
      for (const { meta_data: meta } of columns)
        if (meta !== undefined && !Array.isArray(meta.path_in_schema))
          throw new Error("a column has no place in the schema");
    return metadata;
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(`${file}: its Parquet footer can't be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** Whether a column holds texts: bytes that nothing says are something else. */
function isTextColumn(element: SchemaElement): boolean {
  const { type, repetition_type: repetition, converted_type: converted, logical_type: logical } = element;
  const texts: readonly unknown[] = [undefined, "UTF8", "STRING", "ENUM", "JSON"];
  const isText = type === "BYTE_ARRAY" && texts.includes(converted) && texts.includes(logical?.type);
  return isText && repetition !== "REPEATED";
}

/** A page of a column, before it is unpacked. */
interface PackedPage {
  readonly header: PageHeader;
  readonly bytes: Uint8Array;
  /** Names it in messages. */
  readonly place: string;
}

/**
 * Pages of a column in one row group. What their headers say is checked: hyparquet 1.33 reads a page without end whose header lacks the length of its
 * levels, and makes as many values as a header says.
 */
async function* packedPages(
  reader: PartReader,
  meta: ColumnMetaData,
  what: string,
): AsyncGenerator<PackedPage> {
  let position = Number(meta.dictionary_page_offset || meta.data_page_offset);
  const end = position + Number(meta.total_compressed_size);
  while (position < end) {
    const { header, length } = await pageHeader(reader, position, end, what);
    const start = position + length;
    const place = `${what}: the page at byte ${position}`;
    const flaw = headerFlaw(header, end - start, Number(meta.num_values));
    if (flaw !== null) throw new DataError(`${place} has a header ${flaw}: it is damaged`);
    const size = header.compressed_page_size;
    checkMemory(`${what}: a page`, header.uncompressed_page_size);
    const bytes = new Uint8Array(await reader.slice(start, start + size));
    if (header.crc !== undefined && crc32(bytes) !== Number(header.crc) >>> 0)
      throw new DataError(`${place} isn't what its checksum says: it is damaged`);
    yield { header, bytes, place };
    position = start + size;
  }
}

/** Whether a number is there, as a number: a damaged field may be of another type. */
const isCount = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 0;

/** What can't be in the header of a page, in a column that has so many bytes left; null if nothing. */
function headerFlaw(header: PageHeader, bytesLeft: number, numValues: number): string | null {
  const { compressed_page_size: size, uncompressed_page_size: unpacked } = header;
  if (!isCount(size) || size > bytesLeft || !isCount(unpacked))
    return `of ${size} bytes, ${unpacked} unpacked, where the column has ${bytesLeft}`;
  const { dictionary_page_header: dictionary, data_page_header_v2: second } = header;
  const counts = [dictionary ?? second ?? header.data_page_header].map((part) => part?.num_values);
  const lengths: unknown[] = [];
  if (second !== undefined) {
    const { num_nulls, num_rows, repetition_levels_byte_length, definition_levels_byte_length } = second;
    counts.push(num_nulls, num_rows);
    lengths.push(repetition_levels_byte_length, definition_levels_byte_length);
  }
  for (const count of counts) {
    if (!isCount(count)) return `whose count of values is ${count}`;
    if (dictionary === undefined && count > numValues)
      return `of ${count} values, where the column has ${numValues}`;
  }
  if (dictionary !== undefined && dictionary.num_values > unpacked)
    return `of ${dictionary.num_values} values in ${unpacked} bytes`;
  let levels = 0;
  for (const length of lengths) {
    if (!isCount(length)) return `whose levels have ${length} bytes`;
    levels += length;
  }
  return levels > size ? `whose levels have ${levels} bytes of ${size}` : null;
}

/** Values of a column of texts in one row group, a page at a time. */
async function* textPages(
  reader: PartReader,
  meta: ColumnMetaData,
  schemaPath: readonly SchemaTree[],
  what: string,
): AsyncGenerator<ArrayLike<unknown>> {
  const element = schemaPath.at(-1)!.element;
  const decode = {
    ...meta,
    pathInSchema: meta.path_in_schema,
    element,
    schemaPath: [...schemaPath],
    compressors,
    parsers: asBytes as unknown as ParquetParsers,
  };
  let dictionary: Uint8Array[] | undefined;
  for await (const { header, bytes, place } of packedPages(reader, meta, what)) {
    const view = new DataView(bytes.buffer);
    const { data } = named(`${place} can't be read`, () =>
      readPage({ view, offset: 0 }, header, decode, dictionary, undefined, 0),
    );
    if (data === undefined) continue;
    if (header.type === "DICTIONARY_PAGE") dictionary = data as Uint8Array[];
    else yield data;
  }
}

async function pageHeader(reader: PartReader, position: number, end: number, what: string) {
  for (let size = headerBytes; ; size *= 4) {
    const part = await reader.slice(position, Math.min(end, position + size));
    const cursor = { view: new DataView(part), offset: 0 };
    try {
      return { header: parquetHeader(cursor), length: cursor.offset };
    } catch (error) {
      // The part may be too short for it.
      if (position + size >= end || size >= maxHeaderBytes)
        throw new DataError(
          `${what}: the header of a page at byte ${position} can't be read: it is damaged`,
          {
            cause: error,
          },
        );
    }
  }
}

/** What a file holds of one field. */
interface Column {
  readonly field: string;
  readonly node: SchemaTree;
}

/** Values of a column in one row group, in order, without limits on what pages they lie in. */
async function* columnValues(
  reader: PartReader,
  metadata: FileMetaData,
  group: number,
  firstRow: number,
  { field, node }: Column,
  file: string,
): AsyncGenerator<unknown> {
  const { columns, num_rows } = metadata.row_groups[group]!;
  const numRows = Number(num_rows);
  const what = `${file}: column "${field}" of row group ${group}`;
  const chunks = columns.filter(({ meta_data: meta }) => meta?.path_in_schema[0] === field);
  if (
    chunks.length === 0 ||
    chunks.some((chunk) => chunk.meta_data === undefined || chunk.file_path !== undefined)
  )
    throw new DataError(`${what} isn't in the file`);
  for (const { crypto_metadata: isEncrypted, meta_data: meta } of chunks) {
    if (isEncrypted !== undefined) throw new DataError(`${what} is encrypted`);
    if (!codecs.includes(meta!.codec))
      throw new DataError(`${what} is compressed with ${meta!.codec}; expected one of ${codecs.join(", ")}`);
  }
  if (!isTextColumn(node.element)) {
    // Lists and structures may go on from page to page: a row group is read as a whole.
    checkMemory(
      what,
      chunks.reduce((sum, { meta_data: meta }) => sum + Number(meta!.total_uncompressed_size), 0),
    );
    for (const { meta_data: meta } of chunks) for await (const _ of packedPages(reader, meta!, what));
    const [rowStart, rowEnd] = [firstRow, firstRow + numRows];
    const options = {
      file: reader,
      metadata,
      columns: [field],
      rowStart,
      rowEnd,
      compressors,
      parsers: asText,
    };
    const rows = await parquetReadObjects(options).catch((error: Error) => {
      if (error instanceof DataError) throw error;
      throw new DataError(`${what}: can't be read: ${error.message}`, { cause: error });
    });
    for (const row of rows) yield row[field];
    return;
  }
  let count = 0;
  for await (const page of textPages(reader, chunks[0]!.meta_data!, [parquetSchema(metadata), node], what)) {
    for (let i = 0; i < page.length; i++) {
      const value = page[i];
      const row = firstRow + count++;
      if (value === null || value === undefined) yield null;
      else {
        const at = `${file}: row ${row}, column "${field}"`;
        yield named(at, () => decodeText(value as Uint8Array, at));
      }
    }
  }
  if (count !== numRows)
    throw new DataError(`${what} has ${count} values, expected ${numRows}: it is damaged`);
}

function decodeText(bytes: Uint8Array, at: string): string {
  try {
    return decoder.decode(bytes);
  } catch (error) {
    throw new DataError(`${at}: is not UTF-8`, { cause: error });
  }
}

/**
 * Rows of a Parquet file, counted from 0 as pandas and DuckDB do. Columns of texts are read page by page, in whatever row groups they lie: never more
 * than a page and a dictionary at once. Columns of lists and structures are read by the row group.
 *
 * @throws DataError for what isn't Parquet or is cut off or damaged, a column that isn't there, a compression that isn't known
 */
export async function* parquetRecords(
  file: string,
  fields: readonly string[],
  optional: readonly string[] = [],
): AsyncGenerator<DataRecord> {
  await using handle = await open(file, "r");
  const reader = partReader(handle, (await handle.stat()).size, file);
  const metadata = await readMetadata(reader, file);
  const nodes = named(file, () => parquetSchema(metadata)).children;
  const columns = [...fields, ...optional].map((field) => {
    const node = nodes.find(({ element }) => element.name === field);
    if (node !== undefined) return { field, node };
    if (!fields.includes(field)) return null;
    const names = nodes.map(({ element }) => element.name).join(", ");
    throw new DataError(`${file}: has no column "${field}"; its columns are ${names}`);
  });
  let firstRow = 0;
  for (const [group, { num_rows: numRows }] of metadata.row_groups.entries()) {
    const values = columns.map((column) =>
      column === null ? null : columnValues(reader, metadata, group, firstRow, column, file),
    );
    try {
      for (let row = firstRow; row < firstRow + Number(numRows); row++) {
        const cells: unknown[] = [];
        for (const column of values) cells.push((await column?.next())?.value);
        yield { where: `${file}: row ${row}`, key: `${file}:${row}`, values: cells };
      }
      // What comes after the last row is checked too.
      for (const column of values) await column?.next();
    } finally {
      for (const column of values) await column?.return(undefined);
    }
    firstRow += Number(numRows);
  }
}

/** Bytes of a column before it was compressed. @throws as {@link parquetRecords} */
export async function parquetColumnBytes(file: string, field: string): Promise<number> {
  await using handle = await open(file, "r");
  const metadata = await readMetadata(partReader(handle, (await handle.stat()).size, file), file);
  return metadata.row_groups
    .flatMap(({ columns }) => columns)
    .filter(({ meta_data: meta }) => meta?.path_in_schema[0] === field)
    .reduce((sum, { meta_data: meta }) => sum + Number(meta!.total_uncompressed_size), 0);
}
