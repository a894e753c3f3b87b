import type { Tokenizer } from "./tokenizer.ts";

const encoder = new TextEncoder();

/** One id per byte of UTF-8, 0–255; 256 ends a document. */
export function byteTokenizer(): Tokenizer {
  const single = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));
  const none = new Uint8Array(0);
  return {
    id: "bytes",
    vocabSize: 257,
    endOfText: 256,
    encode: (text) => Array.from(encoder.encode(text)),
    bytes: (id) => single[id] ?? none,
  };
}
