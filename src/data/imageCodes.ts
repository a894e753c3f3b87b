import { z } from "zod";

const count = z.number().int().positive();

const headerSchema = z
  .object({
    /** SHA-256, in hexadecimal, of all that decoding needs: codes are worth nothing without it. */
    identity: z.string().regex(/^[0-9a-f]{64}$/),
    /** Run and step of its checkpoint, for people. */
    run: z.string(),
    step: z.number().int().nonnegative(),
    /** Size of the images. */
    image: z.object({
      height: count,
      width: count,
      channels: z.union([z.literal(1), z.literal(3)]),
    }),
    /** Rows and columns of vectors that an image becomes. */
    grid: z.object({ height: count, width: count }),
    /** Number of codes, for each code of a vector: several with residual and product quantizers. */
    codebookSizes: z.array(count.max(2 ** 31)).nonempty(),
    /** Name of every image. */
    names: z.array(z.string()),
  })
  .strict();

/** What stands at the head of a code file. */
export type CodeFileHeader = z.infer<typeof headerSchema>;

/** @throws ZodError for another object */
export const codeFileHeader = (value: unknown): CodeFileHeader => headerSchema.parse(value);

/** Images as codes. */
export interface ImageCodes extends CodeFileHeader {
  /** `[images, grid rows, grid columns, codes of a vector]`, row-major. */
  readonly codes: Int32Array;
}

/** Codes of one image. */
export function codesPerImage({
  grid,
  codebookSizes,
}: Pick<CodeFileHeader, "grid" | "codebookSizes">): number {
  return grid.height * grid.width * codebookSizes.length;
}

/** @throws what `fail` throws, unless there are as many codes as images have, each below the size of its codebook */
export function checkCodes(
  header: CodeFileHeader,
  codes: Int32Array,
  fail: (problem: string) => never,
): void {
  const { names, codebookSizes } = header;
  const perImage = codesPerImage(header);
  if (codes.length !== names.length * perImage)
    fail(`${codes.length} of ${names.length} images, expected ${perImage} of each`);
  const sizeAt = (i: number) => codebookSizes[i % codebookSizes.length]!;
  const wrong = codes.findIndex((code, i) => !(code >= 0 && code < sizeAt(i)));
  if (wrong >= 0)
    fail(
      `code ${codes[wrong]} of image ${Math.floor(wrong / perImage)}: expected less than ${sizeAt(wrong)}`,
    );
}
