import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import sharp from "sharp";
import { ConfigError, DataError, OutputError } from "../errors.ts";
import { encodePng, type Image, readImage, writePng } from "./imageFile.ts";
import { cropImage, fitImage, imagePatches } from "./imageFit.ts";
import { imageFiles } from "./imageFolder.ts";
import { imageGrid, reconstructionGrid } from "./imageGrid.ts";
import { imageAt, imageBatch, imageSet, imagesFromBatch } from "./imageSet.ts";
import { openImages, splitPhotograph } from "./openImages.ts";

const folder = mkdtempSync(path.join(tmpdir(), "rotor-images-"));
after(() => rmSync(folder, { recursive: true }));
const at = (name: string) => path.join(folder, name);

/** An image whose pixels all differ in their three channels. */
function numbered(height: number, width: number, channels: 1 | 3 = 3): Image {
  const pixels = new Uint8Array(height * width * channels);
  for (let i = 0; i < height * width; i++) {
    if (channels === 1) pixels[i] = i;
    else pixels.set([i, i >> 8, (7 * i) % 256], i * 3);
  }
  return { height, width, channels, pixels };
}

const raw = ({ height, width, channels, pixels }: Image) =>
  sharp(pixels, { raw: { width, height, channels } });

describe("files", () => {
  test("a PNG file gives the pixels that were written, in grey and in colour, of odd sizes", async () => {
    for (const image of [numbered(5, 7), numbered(1, 1), numbered(3, 11, 1)]) {
      await writePng(at("exact.png"), image);
      assert.deepEqual(await readImage(at("exact.png"), image.channels), image);
    }
  });

  test("a JPEG file gives pixels near those that were written", async () => {
    // A smooth image: at quality 100 without subsampling only roundings differ, of two transforms and a change of colours.
    const image = { height: 19, width: 13, channels: 3 as const, pixels: new Uint8Array(19 * 13 * 3) };
    for (let i = 0; i < image.pixels.length; i++) image.pixels[i] = 40 + (i * 170) / image.pixels.length;
    writeFileSync(
      at("near.jpg"),
      await raw(image).jpeg({ quality: 100, chromaSubsampling: "4:4:4" }).toBuffer(),
    );
    const read = await readImage(at("near.jpg"), 3);
    assert.deepEqual([read.height, read.width], [19, 13]);
    for (const [i, value] of read.pixels.entries())
      assert.ok(Math.abs(value - image.pixels[i]!) <= 3, `${i}: ${value}`);
  });

  test("grey and colour come from each other", async () => {
    await writePng(at("grey.png"), numbered(4, 4, 1));
    const grey = await readImage(at("grey.png"), 3);
    assert.deepEqual([...grey.pixels.subarray(0, 9)], [0, 0, 0, 1, 1, 1, 2, 2, 2]);
    // Green is lighter than red, red lighter than blue.
    const primaries = {
      height: 1,
      width: 3,
      channels: 3 as const,
      pixels: Uint8Array.of(255, 0, 0, 0, 255, 0, 0, 0, 255),
    };
    await writePng(at("primaries.png"), primaries);
    const [red, green, blue] = (await readImage(at("primaries.png"), 1)).pixels;
    assert.ok(green! > red! && red! > blue!, `${red} ${green} ${blue}`);
  });

  test("EXIF's orientation turns an image", async () => {
    const image = numbered(2, 3, 1);
    // 6: to be turned clockwise by 90°. Rows [0 1 2], [3 4 5] become [3 0], [4 1], [5 2].
    writeFileSync(at("turned.png"), await raw(image).withMetadata({ orientation: 6 }).png().toBuffer());
    const turned = await readImage(at("turned.png"), 1);
    assert.deepEqual([turned.height, turned.width, [...turned.pixels]], [3, 2, [3, 0, 4, 1, 5, 2]]);
  });

  test("transparent parts are white, 16 bits become 8, palettes become colours", async () => {
    writeFileSync(
      at("alpha.png"),
      await sharp(Uint8Array.of(9, 8, 7, 255, 9, 8, 7, 0), { raw: { width: 2, height: 1, channels: 4 } })
        .png()
        .toBuffer(),
    );
    assert.deepEqual([...(await readImage(at("alpha.png"), 3)).pixels], [9, 8, 7, 255, 255, 255]);
    writeFileSync(
      at("deep.png"),
      await sharp(Uint16Array.of(0, 65535, 257 * 100), { raw: { width: 3, height: 1, channels: 1 } })
        .toColourspace("grey16")
        .png()
        .toBuffer(),
    );
    assert.deepEqual([...(await readImage(at("deep.png"), 1)).pixels], [0, 255, 100]);
    const two = { height: 1, width: 2, channels: 3 as const, pixels: Uint8Array.of(255, 0, 0, 0, 0, 255) };
    writeFileSync(at("palette.png"), await raw(two).png({ palette: true, colours: 2 }).toBuffer());
    assert.deepEqual([...(await readImage(at("palette.png"), 3)).pixels], [...two.pixels]);
  });

  test("a file that can't be used is named with its trouble", async () => {
    const png = Buffer.from(await encodePng(numbered(40, 40)));
    const jpeg = await raw(numbered(40, 40)).jpeg().toBuffer();
    const rows: [name: string, bytes: Uint8Array | string | null, problem: RegExp][] = [
      ["missing.png", null, /: no such file$/],
      ["empty.png", "", /: is not an image, expected PNG or JPEG$/],
      ["text.png", "not an image", /: is not an image, expected PNG or JPEG$/],
      ["cut.png", png.subarray(0, png.length - 100), /: is (cut off|damaged)/],
      ["head.png", png.subarray(0, 20), /: is (cut off|damaged|not an image)/],
      ["cut.jpg", jpeg.subarray(0, jpeg.length - 50), /: is cut off$/],
      ["other.png", await raw(numbered(4, 4)).webp().toBuffer(), /: is webp, expected PNG or JPEG$/],
    ];
    for (const [name, bytes, problem] of rows) {
      if (bytes !== null) writeFileSync(at(name), bytes);
      await assert.rejects(readImage(at(name), 3), (error: Error) => {
        assert.ok(error instanceof DataError && !error.message.includes("\n"), name);
        assert.ok(error.message.startsWith(`image "${at(name)}": `), error.message);
        assert.match(error.message, problem);
        return true;
      });
    }
    // One wrong byte in the compressed pixels.
    const flipped = Buffer.from(png);
    flipped[png.indexOf("IDAT") + 12]! ^= 0xff;
    writeFileSync(at("flipped.png"), flipped);
    await assert.rejects(readImage(at("flipped.png"), 3), DataError);
    await assert.rejects(readImage(folder, 3), /is a folder, expected a file/);
    await assert.rejects(writePng(path.join(at("exact.png"), "x.png"), numbered(1, 1)), OutputError);
  });
});

describe("sizes", () => {
  const image = numbered(5, 8, 1);
  const size = { height: 2, width: 3 };

  test("a crop is the middle, patches are pieces row by row", async () => {
    assert.deepEqual(
      (await fitImage(image, size, "crop", "x"))[0]!.pixels,
      Uint8Array.of(10, 11, 12, 18, 19, 20),
    );
    const patches = await fitImage(image, size, "patches", "x");
    assert.deepEqual(
      patches.map(({ pixels }) => pixels[0]),
      [0, 3, 16, 19],
    );
    const dense = await fitImage(image, size, "patches", "x", { height: 1, width: 1 });
    assert.equal(dense.length, 4 * 6);
    for (const [i, patch] of dense.entries())
      assert.deepEqual(patch, cropImage(image, Math.floor(i / 6), i % 6, size), `patch ${i}`);
  });

  test("cover scales and takes the middle", async () => {
    // Each pixel four times: scaled down by two, nothing is left to round.
    const flat = { height: 4, width: 8, channels: 1 as const, pixels: new Uint8Array(32).fill(77) };
    const [half] = await fitImage(flat, { height: 2, width: 2 }, "cover", "x");
    assert.deepEqual(half, { height: 2, width: 2, channels: 1, pixels: new Uint8Array(4).fill(77) });
    // A ramp from left to right keeps its middle: the mean of 30 columns around 127.5.
    const ramp = {
      height: 64,
      width: 256,
      channels: 1 as const,
      pixels: Uint8Array.from({ length: 64 * 256 }, (_, i) => i % 256),
    };
    const [middle] = await fitImage(ramp, { height: 32, width: 32 }, "cover", "x");
    const row = [...middle!.pixels.subarray(0, 32)];
    // Lanczos on a ramp is exact up to rounding: columns are 2 apart from 96.5.
    for (const [x, value] of row.entries())
      assert.ok(Math.abs(value - (96.5 + 2 * x)) <= 1, `${x}: ${value}`);
    const [larger] = await fitImage(numbered(3, 5, 1), { height: 7, width: 7 }, "cover", "x");
    assert.deepEqual([larger!.height, larger!.width], [7, 7]);
    assert.deepEqual(
      await fitImage(image, { height: 5, width: 3 }, "cover", "x"),
      await fitImage(image, { height: 5, width: 3 }, "crop", "x"),
    );
  });

  test("what doesn't fit is refused", async () => {
    assert.deepEqual(await fitImage(image, { height: 5, width: 8 }, "exact", "x"), [image]);
    await assert.rejects(
      fitImage(image, size, "exact", "a.png"),
      /image "a\.png": is 5×8, expected 2×3, or a fit/,
    );
    for (const fit of ["crop", "patches"] as const)
      await assert.rejects(
        fitImage(image, { height: 6, width: 3 }, fit, "a.png"),
        /is 5×8, expected at least 6×3/,
      );
  });
});

describe("sets", () => {
  test("bytes become numbers and come back", () => {
    const set = imageSet([numbered(16, 16, 1), numbered(16, 16, 1)]);
    assert.deepEqual(imagesFromBatch(imageBatch(set, [0, 1]), set), set);
    assert.deepEqual(imageAt(set, 1), numbered(16, 16, 1));
    assert.deepEqual(
      [...imagesFromBatch([-1, 2, 0.5], { height: 1, width: 3, channels: 1 }).pixels],
      [0, 255, 128],
    );
    assert.throws(() => imageSet([numbered(2, 2), numbered(2, 2, 1)]), /image 1 is 2×2×1, expected 2×2×3/);
    assert.throws(() => imageSet([]), DataError);
    assert.throws(() => imagesFromBatch([1, 2, 3], { height: 1, width: 2, channels: 1 }), /3 numbers/);
  });

  test("no pixel of a photograph is in both parts", () => {
    const image = { ...numbered(30, 100, 1), pixels: Uint8Array.from({ length: 3000 }, (_, i) => i % 100) };
    for (const stride of [8, 3]) {
      const { train, validation } = splitPhotograph(
        image,
        { height: 8, width: 8 },
        { height: stride, width: stride },
        0.2,
      );
      const most = Math.max(...train.flatMap(({ pixels }) => [...pixels]));
      const least = Math.min(...validation.flatMap(({ pixels }) => [...pixels]));
      assert.ok(most < 80 && least === 80, `${most} ${least}`);
      assert.ok(train.length > validation.length && validation.length > 0);
    }
    assert.equal(
      imagePatches(image, { height: 8, width: 8 }, { stride: { height: 8, width: 8 } }).length,
      3 * 12,
    );
  });

  test("the photographs come in patches", async () => {
    const { train, validation } = await openImages({ source: "photographs", size: 64 });
    assert.deepEqual([train.height, train.width, train.channels], [64, 64, 1]);
    // Columns of the six: ⌊0.9·1024/64⌋ = 14 (807: 11), at the right 1; rows 11, 16, 12, 7, 7, 12.
    assert.equal(train.count, 14 * (11 + 12 + 7 + 7 + 12) + 11 * 16);
    assert.equal(validation.count, 11 + 12 + 7 + 7 + 12 + 16);
    const one = await openImages({
      source: "nagasaki-boats",
      size: 64,
      colours: "colour",
      validationFraction: 0.5,
    });
    assert.deepEqual([one.train.channels, one.train.count, one.validation.count], [3, 12 * 8, 12 * 8]);
    const dense = await openImages({ source: "nagasaki-boats", size: 64, stride: 32 });
    assert.ok(dense.train.count > 3 * 14 * 12);
    await assert.rejects(
      openImages({ source: "photographs", size: 200 }),
      /too small for patches of 200×200/,
    );
  });

  test("files are split by their names, whatever else lies beside them", async () => {
    const images = at("folder");
    mkdirSync(path.join(images, "inner"), { recursive: true });
    for (let i = 0; i < 12; i++) {
      const flat = { height: 6, width: 9, channels: 1 as const, pixels: new Uint8Array(54).fill(10 * i) };
      await writePng(path.join(images, i % 2 === 0 ? "inner" : ".", `i${i}.png`), flat);
    }
    writeFileSync(path.join(images, "notes.txt"), "no image");
    assert.equal(imageFiles([images]).length, 12);
    const values = (set: { count: number; pixels: Uint8Array }, size = 48) =>
      Array.from({ length: set.count }, (_, i) => set.pixels[i * size]!);
    const { train, validation } = await openImages({ source: images, size: 4, validationFraction: 0.25 });
    assert.deepEqual([train.count, validation.count, train.channels, train.height], [9, 3, 3, 4]);
    const all = [...values(train), ...values(validation)].sort((a, b) => a - b);
    assert.deepEqual(
      all,
      Array.from({ length: 12 }, (_, i) => 10 * i),
    );
    const again = await openImages({ source: [images], size: 4, validationFraction: 0.25 });
    assert.deepEqual(again, { train, validation });
    const seeds = new Set<string>();
    for (let seed = 0; seed < 4; seed++)
      seeds.add(
        values(
          (await openImages({ source: images, size: 4, validationFraction: 0.25, seed })).validation,
        ).join(),
      );
    assert.ok(seeds.size > 1);
    const tall = await openImages({
      source: images,
      size: { height: 3, width: 2 },
      fit: "patches",
      colours: "grey",
    });
    assert.deepEqual([tall.train.count, tall.train.channels, tall.train.width], [11 * 8, 1, 2]);
    const dense = await openImages({ source: images, size: 3, fit: "patches", stride: 1 });
    assert.equal(dense.validation.count, 4 * 7);
  });

  test("options that don't go together are refused", async () => {
    const rows: [options: Parameters<typeof openImages>[0], problem: RegExp][] = [
      [{ source: "mnist", size: 32 }, /mnist holds grey images of 28×28/],
      [{ source: "mnist", colours: "colour" }, /mnist holds grey/],
      [{ source: "photographs", fit: "crop" }, /fit "crop": expected patches/],
      [{ source: "photographs", size: 0 }, /size 0×0: expected positive integers/],
      [{ source: folder, size: 1.5 }, /size 1.5×1.5/],
      [{ source: folder, stride: 4 }, /stride 4: expected the fit patches as well/],
      [{ source: folder, stride: 0, fit: "patches" }, /stride 0: expected a positive integer/],
      [{ source: folder, validationFraction: 1 }, /validationFraction 1: expected a number in \(0, 1\)/],
      [{ source: folder, colours: "gray" as never }, /colours "gray": expected grey or colour/],
      [{ source: folder, fit: "stretch" as never }, /fit "stretch": expected exact, crop, cover, patches/],
    ];
    for (const [options, problem] of rows) {
      await assert.rejects(openImages(options), (error: Error) => {
        assert.ok(error instanceof ConfigError, error.message);
        assert.match(error.message, problem);
        return true;
      });
    }
    const lone = at("lone");
    mkdirSync(lone);
    await assert.rejects(openImages({ source: lone }), /lone": no \.png, \.jpg or \.jpeg file in it/);
    await writePng(path.join(lone, "a.png"), numbered(4, 4));
    await assert.rejects(openImages({ source: lone }), /1 file, expected at least two/);
    await assert.rejects(openImages({ source: at("nothing") }), /nothing": no such file or folder/);
    writeFileSync(path.join(lone, "b.png"), readFileSync(path.join(lone, "a.png")).subarray(0, 40));
    await assert.rejects(openImages({ source: lone, size: 4 }), /image ".*b\.png": is/);
    assert.deepEqual(readdirSync(lone).sort(), ["a.png", "b.png"]);
    const { train } = await openImages({ source: "mnist" });
    assert.equal(train.height, 28);
  });
});

describe("grids", () => {
  const flat = (shade: number) => ({
    height: 1,
    width: 2,
    channels: 1 as const,
    pixels: Uint8Array.of(shade, shade + 1),
  });

  test("images stand in rows with grey between them", () => {
    const grid = imageGrid([flat(10), flat(20), flat(30)], { columns: 2 });
    assert.deepEqual([grid.height, grid.width], [5, 7]);
    const g = 128;
    assert.deepEqual(
      [...grid.pixels],
      [
        ...[g, g, g, g, g, g, g],
        ...[g, 10, 11, g, 20, 21, g],
        ...[g, g, g, g, g, g, g],
        ...[g, 30, 31, g, g, g, g],
        ...[g, g, g, g, g, g, g],
      ],
    );
    const scaled = imageGrid([flat(10)], { columns: 9, gap: 0, scale: 2 });
    assert.deepEqual([scaled.height, scaled.width, ...scaled.pixels], [2, 4, 10, 10, 11, 11, 10, 10, 11, 11]);
    assert.throws(
      () => imageGrid([flat(1), numbered(1, 1)], { columns: 2 }),
      /image 1 is 1×1×3, expected 1×2×1/,
    );
    assert.throws(() => imageGrid([], { columns: 2 }), /expected at least one/);
  });

  test("reconstructions stand below their originals", () => {
    const large = (shade: number) => ({
      height: 40,
      width: 64,
      channels: 1 as const,
      pixels: new Uint8Array(40 * 64).fill(shade),
    });
    const grid = reconstructionGrid([1, 2, 3].map(large), [4, 5, 6].map(large), 2);
    const centre = (row: number, column: number) =>
      grid.pixels[(21 + 41 * row) * grid.width + 30 + 65 * column];
    assert.deepEqual([centre(0, 0), centre(0, 1), centre(1, 0), centre(1, 1)], [1, 2, 4, 5]);
    assert.deepEqual([centre(2, 0), centre(2, 1), centre(3, 0), centre(3, 1)], [3, 128, 6, 128]);
    assert.throws(() => reconstructionGrid([flat(1)], []), /1 originals and 0 reconstructions/);
  });
});
