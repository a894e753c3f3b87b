import { DataError } from "../../errors.ts";
import { type Coded, Column, makeTable, type RowIdentity, type Table } from "./table.ts";

const [quote, newline, hash, space] = [34, 10, 35, 32];
const decoder = new TextDecoder();

/** 10^0 to 10^22: those that are exact. */
const powersOfTen = Float64Array.from({ length: 23 }, (_, i) => Number(`1e${i}`));

/**
 * Reads a decimal number from bytes; NaN for everything else. Exact: `m·10^e` is one rounding as long as m < 2^53 and |e| ≤ 22
 * (Clinger 1990); anything longer goes through `Number`.
 */
export function parseDecimal(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  const sign = bytes[at];
  if (sign === 45 || sign === 43) at++;
  let mantissa = 0;
  let digits = 0;
  let exponent = 0;
  let seen = 0;
  let point = false;
  for (; at < end; at++) {
    const byte = bytes[at]!;
    const digit = byte - 48;
    if (digit >= 0 && digit <= 9) {
      seen++;
      if (digits > 0 || digit > 0) digits++;
      mantissa = 10 * mantissa + digit;
      if (point) exponent--;
    } else if (byte === 46 && !point) point = true;
    else break;
  }
  if (seen === 0) return Number.NaN;
  if (at < end) {
    if ((bytes[at]! | 32) !== 101) return Number.NaN;
    at++;
    const negative = bytes[at] === 45;
    if (negative || bytes[at] === 43) at++;
    if (at >= end) return Number.NaN;
    let power = 0;
    for (; at < end; at++) {
      const digit = bytes[at]! - 48;
      if (digit < 0 || digit > 9) return Number.NaN;
      power = 10 * power + digit;
    }
    exponent += negative ? -power : power;
  }
  if (digits > 19 || mantissa > Number.MAX_SAFE_INTEGER || exponent < -22 || exponent > 22)
    return Number(String.fromCharCode(...bytes.subarray(start, end)));
  const value = exponent < 0 ? mantissa / powersOfTen[-exponent]! : mantissa * powersOfTen[exponent]!;
  return sign === 45 ? -value : value;
}

/** Where cells begin in the bytes of a file. */
interface CellIndex {
  readonly bytes: Uint8Array;
  readonly rowStarts: Uint32Array;
  /** From the row's start to where its second cell begins, its third, …, and behind its end: `width` numbers a row. */
  readonly offsets: Uint16Array | Uint32Array;
  readonly width: number;
}

/** Where a cell begins; of the place behind the last one, behind the row's end. */
const cellStart = ({ rowStarts, offsets, width }: CellIndex, row: number, place: number) =>
  place === 0 ? rowStarts[row]! : rowStarts[row]! + offsets[row * width + place - 1]!;

/** An array with room for `length`, of a wider type where an offset of `largest` needs it. */
function withRoom<T extends Uint16Array | Uint32Array>(
  list: T,
  length: number,
  largest = 0,
): Uint16Array | Uint32Array {
  const bigger =
    list instanceof Uint16Array && largest < 2 ** 16 ? new Uint16Array(length) : new Uint32Array(length);
  bigger.set(list);
  return bigger;
}

function grown<T extends Uint32Array | Int32Array>(list: T, room: number): T {
  const bigger = new (list.constructor as new (length: number) => T)(room);
  bigger.set(list);
  return bigger;
}

/** A column of a file whose cells stay where they are. */
class ByteColumn extends Column {
  readonly #index: CellIndex;
  readonly #place: number;

  constructor(name: string, length: number, index: CellIndex, place: number) {
    super(name, length);
    this.#index = index;
    this.#place = place;
  }

  text(row: number): string {
    return cellText(this.#index.bytes, this.#start(row), this.#end(row));
  }

  #start(row: number): number {
    return cellStart(this.#index, row, this.#place);
  }

  #end(row: number): number {
    return cellStart(this.#index, row, this.#place + 1) - 1;
  }

  protected override readNumbers(): Float64Array {
    const { bytes } = this.#index;
    const numbers = new Float64Array(this.length);
    for (let row = 0; row < numbers.length; row++) {
      let start = this.#start(row);
      let end = this.#end(row);
      while (start < end && (bytes[start]! <= space || bytes[start] === quote)) start++;
      while (end > start && (bytes[end - 1]! <= space || bytes[end - 1] === quote)) end--;
      numbers[row] = parseDecimal(bytes, start, end);
    }
    return numbers;
  }

  protected override encode(): Coded {
    const { bytes } = this.#index;
    const codes = new Int32Array(this.length);
    let mask = 1023;
    let slots = new Int32Array(mask + 1).fill(-1);
    let [firsts, hashes] = [new Uint32Array(512), new Int32Array(512)];
    let count = 0;
    for (let row = 0; row < codes.length; row++) {
      const start = this.#start(row);
      const length = this.#end(row) - start;
      let hashed = 0x811c9dc5;
      for (let i = start; i < start + length; i++) hashed = Math.imul(hashed ^ bytes[i]!, 0x01000193);
      hashed ^= hashed >>> 15;
      let slot = hashed & mask;
      for (;;) {
        const code = slots[slot]!;
        if (code < 0) {
          slots[slot] = codes[row] = count;
          firsts[count] = row;
          hashes[count++] = hashed;
          break;
        }
        if (hashes[code] === hashed && this.#same(firsts[code]!, start, length)) {
          codes[row] = code;
          break;
        }
        slot = (slot + 1) & mask;
      }
      if (count === firsts.length) {
        // Texts that have all differed so far go on doing so: the arrays grow once.
        const room = count === row + 1 ? codes.length + 1 : 2 * count;
        [firsts, hashes] = [grown(firsts, room), grown(hashes, room)];
        while (mask < 2 * room - 1) mask = 2 * mask + 1;
        slots = new Int32Array(mask + 1).fill(-1);
        for (let code = 0; code < count; code++) {
          let place = hashes[code]! & mask;
          while (slots[place]! >= 0) place = (place + 1) & mask;
          slots[place] = code;
        }
      }
    }
    const known = firsts.subarray(0, count);
    if (known.every((row) => bytes[this.#start(row)]! > quote && bytes[this.#end(row) - 1]! > quote))
      return { codes, count, text: (code) => this.text(known[code]!) };
    // Cells that differ in quotes or spaces only have one text.
    const places = new Map<string, number>();
    const merged = Int32Array.from(known, (row) => {
      const text = this.text(row);
      const code = places.get(text) ?? places.size;
      places.set(text, code);
      return code;
    });
    for (let row = 0; row < codes.length; row++) codes[row] = merged[codes[row]!]!;
    const texts = [...places.keys()];
    return { codes, count: texts.length, text: (code) => texts[code]! };
  }

  #same(row: number, start: number, length: number): boolean {
    const { bytes } = this.#index;
    const other = this.#start(row);
    if (this.#end(row) - other !== length) return false;
    for (let i = 0; i < length; i++) if (bytes[other + i] !== bytes[start + i]) return false;
    return true;
  }
}

function cellText(bytes: Uint8Array, start: number, end: number): string {
  while (start < end && bytes[start]! <= space) start++;
  while (end > start && bytes[end - 1]! <= space) end--;
  const quoted = end - start >= 2 && bytes[start] === quote && bytes[end - 1] === quote;
  const text = decoder.decode(quoted ? bytes.subarray(start + 1, end - 1) : bytes.subarray(start, end));
  return (quoted ? text.replaceAll('""', '"') : text).trim();
}

/** Cells of one line. @returns where they begin, and behind the line's end */
function splitLine(
  bytes: Uint8Array,
  start: number,
  delimiter: number,
): { starts: number[]; next: number; open: boolean } {
  const starts = [start];
  let at = start;
  let cell = start;
  let open = false;
  for (; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === quote && (open || quotes(bytes, cell, at))) open = !open;
    else if (open) continue;
    else if (byte === delimiter) {
      cell = at + 1;
      starts.push(cell);
    } else if (byte === newline) break;
  }
  starts.push(at + 1);
  return { starts, next: Math.min(at + 1, bytes.length), open };
}

/** A quotation mark counts where it opens a cell, and in a cell that one has opened; inside of others it's a letter. */
function quotes(bytes: Uint8Array, cell: number, at: number): boolean {
  let first = cell;
  while (first < at && bytes[first]! <= space) first++;
  return first === at || bytes[first] === quote;
}

const isBlank = (bytes: Uint8Array, start: number, end: number, delimiter: number) => {
  for (let i = start; i < end; i++) if (bytes[i]! > space && bytes[i] !== delimiter) return false;
  return true;
};

/**
 * Reads text whose cells are separated by one character, as RFC 4180 has it: quotation marks around a cell, doubled within. Lines that
 * begin with `#` and empty lines are passed over. Cells stay in the bytes until they're asked for.
 *
 * @param bytes - UTF-8
 * @param start - where the header begins
 * @param header - names of the columns, if the line at `start` holds none
 * @throws DataError for a row of another length than the header's, or a quotation that isn't closed
 */
export function readDelimited(
  bytes: Uint8Array,
  delimiter: string,
  start: number,
  header?: readonly string[],
): Table {
  const code = delimiter.charCodeAt(0);
  const special = Math.max(quote, newline, code);
  const first = splitLine(bytes, start, code);
  if (first.open) throw new DataError("row 1: a quotation mark isn't closed");
  let names =
    header ?? first.starts.slice(0, -1).map((at, i) => cellText(bytes, at, first.starts[i + 1]! - 1));
  let at = header === undefined ? first.next : start;
  let width = names.length;
  let rowStarts: Uint16Array | Uint32Array = new Uint32Array(0);
  let offsets: Uint16Array | Uint32Array = new Uint16Array(0);
  let rows = 0;
  while (at < bytes.length) {
    const lineStart = at;
    if (bytes[at] === hash) {
      while (at < bytes.length && bytes[at] !== newline) at++;
      at++;
      continue;
    }
    // The number of rows is guessed from the length of those read.
    if (rows === rowStarts.length || (rows + 1) * width > offsets.length) {
      const room = Math.ceil((rows === 0 ? 64 : (rows * bytes.length) / (at - start + 1) + 64) * 1.02);
      rowStarts = withRoom(rowStarts, room);
      offsets = withRoom(offsets, room * width);
    }
    const base = rows * width;
    let count = 0;
    let cell = at;
    rowStarts[rows] = at;
    let open = false;
    let done = false;
    while (!done) {
      while (at < bytes.length && bytes[at]! > special) at++;
      const byte = at < bytes.length ? bytes[at]! : newline;
      if (byte === quote && at < bytes.length) {
        if (open || quotes(bytes, cell, at)) open = !open;
      } else if (open) {
        if (at >= bytes.length) throw new DataError(`row ${rows + 2}: a quotation mark isn't closed`);
      } else if (byte === code) {
        count++;
        cell = at + 1;
        if (count <= width) {
          if (cell - lineStart > 65535) offsets = withRoom(offsets, offsets.length, cell - lineStart);
          offsets[base + count - 1] = cell - lineStart;
        }
      } else if (byte === newline) done = true;
      at++;
    }
    if (isBlank(bytes, lineStart, at - 1, code)) continue;
    count++;
    if (
      rows === 0 &&
      header === undefined &&
      count === width + 1 &&
      !isBlank(bytes, lineStart + offsets[base + width - 1]!, at - 1, code)
    ) {
      // R's write.table: row names have no name in the header.
      names = ["", ...names];
      width++;
      at = lineStart;
      continue;
    }
    if (
      count < width ||
      (count > width && !isBlank(bytes, lineStart + offsets[base + width - 1]!, at - 1, code))
    )
      throw new DataError(`row ${rows + 2} has ${count} fields, the header has ${width}`);
    if (count === width) {
      if (at - lineStart > 65535) offsets = withRoom(offsets, offsets.length, at - lineStart);
      offsets[base + width - 1] = at - lineStart;
    }
    rows++;
  }
  const index: CellIndex = { bytes, rowStarts: rowStarts as Uint32Array, offsets, width };
  return makeTable(
    names.map((name, i) => new ByteColumn(name, rows, index, i)),
    rows,
    { delimiter, rows: lineIdentity(index, rows) },
  );
}

/** Lines that are equal byte by byte are equal rows. */
function lineIdentity(index: CellIndex, rows: number): RowIdentity {
  const { bytes, width } = index;
  const begin = (row: number) => cellStart(index, row, 0);
  const end = (row: number) => cellStart(index, row, width) - 1;
  return {
    hashes() {
      const hashes = new Int32Array(rows);
      for (let row = 0; row < rows; row++) {
        let hashed = 0x811c9dc5 | 0;
        for (let at = begin(row), stop = end(row); at < stop; at++)
          hashed = Math.imul(hashed ^ bytes[at]!, 0x01000193);
        hashes[row] = hashed;
      }
      return hashes;
    },
    equal(a, b) {
      const length = end(a) - begin(a);
      if (end(b) - begin(b) !== length) return false;
      for (let i = 0; i < length; i++) if (bytes[begin(a) + i] !== bytes[begin(b) + i]) return false;
      return true;
    },
  };
}
