import type { ImageSet } from "../../data/index.ts";
import { ConfigError } from "../../errors.ts";
import type { ImageCodec } from "../../sample/index.ts";
import type { AtlasView, BetweenView, PicturesView } from "../views.ts";
import type { AtlasQuestion, BetweenQuestion } from "./modelQuestion.ts";

/** Codes on a page of the atlas, and pictures between two of them. */
export const [codesPerPage, picturesPerRow] = [64, 9];

const asView = ({ count, height, width, channels, pixels }: ImageSet): PicturesView => ({
  count,
  height,
  width,
  channels,
  pixels: Buffer.from(pixels).toString("base64"),
});

/** @throws ConfigError naming what is out of range */
function checkCodes(
  { codebookSizes }: ImageCodec["model"]["quantizer"],
  codebook: number,
  codes: readonly number[],
  base: number,
): void {
  const size = codebookSizes[codebook];
  if (size === undefined)
    throw new ConfigError(`codebook ${codebook}: expected an integer in [0, ${codebookSizes.length})`);
  for (const code of codes)
    if (code >= size) throw new ConfigError(`code ${code}: expected an integer in [0, ${size})`);
  const others = codebookSizes.filter((_, i) => i !== codebook);
  if (others.length > 0 && base >= Math.min(...others))
    throw new ConfigError(`base ${base}: expected an integer in [0, ${Math.min(...others)})`);
}

/** Codes of an image that has one everywhere. */
function everywhere(codec: ImageCodec, codebook: number, code: number, base: number): number[] {
  const [height, width, perVector] = codec.codeShape;
  return Array.from({ length: height * width * perVector }, (_, i) =>
    i % perVector === codebook ? code : base,
  );
}

/** What the decoder makes of each code of a page of a codebook. */
export async function codebookAtlas(
  codec: ImageCodec,
  { codebook, from, base }: AtlasQuestion,
): Promise<AtlasView> {
  const { quantizer } = codec.model;
  checkCodes(quantizer, codebook, [from], base);
  const size = quantizer.codebookSizes[codebook]!;
  const count = Math.min(codesPerPage, size - from);
  const codes = Array.from({ length: count }, (_, i) => everywhere(codec, codebook, from + i, base));
  return {
    codebookSizes: quantizer.codebookSizes,
    from,
    pictures: asView(await codec.decode(Int32Array.from(codes.flat()))),
  };
}

/** What the decoder makes of vectors on the way from one code's to another's. */
export async function picturesBetween(
  codec: ImageCodec,
  { codebook, base, codes: [first, last] }: BetweenQuestion,
): Promise<BetweenView> {
  checkCodes(codec.model.quantizer, codebook, [first, last], base);
  const ends = [first, last].map((code) => Int32Array.from(everywhere(codec, codebook, code, base)));
  const shares = Array.from({ length: picturesPerRow }, (_, i) => i / (picturesPerRow - 1));
  const pictures = await codec.decodeBetween(ends[0]!, ends[1]!, shares);
  return { codes: [first, last], shares, pictures: asView(pictures) };
}
