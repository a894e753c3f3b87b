export { csvRecords } from "./csvRecords.ts";
export { jsonlRecords } from "./jsonlRecords.ts";
export { parquetColumnBytes, parquetRecords } from "./parquetRecords.ts";
export { readBytes, readText } from "./readText.ts";
export type { DataRecord } from "./record.ts";
export {
  namedFormat,
  type SourceCompression,
  type SourceFormat,
  sourceEndings,
  sourceFormats,
} from "./sourceFormat.ts";
