import assert from "node:assert/strict";
import { test } from "node:test";
import xterm from "@xterm/headless";
import sharp from "sharp";
import type { Image } from "../data/index.ts";
import { hasTrueColour, imageProtocol, terminalImage } from "./terminalImage.ts";

/** A 3 × 4 image of many colours. */
const image: Image = {
  height: 3,
  width: 4,
  channels: 3,
  pixels: Uint8Array.from({ length: 36 }, (_, i) => (i * 53) % 256),
};

const visible = (text: string) => text.replaceAll("\x1b", "ESC").replaceAll("\x07", "BELL");

async function screen(text: string, columns = 20) {
  const terminal = new xterm.Terminal({ cols: columns, rows: 10, allowProposedApi: true });
  await new Promise<void>((resolve) => terminal.write(text.replaceAll("\n", "\r\n"), resolve));
  return terminal.buffer.active;
}

test("half blocks show every pixel in its colour", async () => {
  const shown = await screen(await terminalImage(image, "blocks", { columns: 20, trueColour: true }));
  const colourAt = (y: number, x: number) => {
    const at = (y * 4 + x) * 3;
    return (image.pixels[at]! << 16) | (image.pixels[at + 1]! << 8) | image.pixels[at + 2]!;
  };
  for (let y = 0; y < 3; y++) {
    for (let x = 0; x < 4; x++) {
      const cell = shown.getLine(y >> 1)!.getCell(x)!;
      assert.equal(cell.getChars(), "▀");
      assert.equal(y % 2 === 0 ? cell.getFgColor() : cell.getBgColor(), colourAt(y, x), `${y} ${x}`);
    }
  }
  // The last line has no lower half, and nothing is left coloured after it.
  assert.ok(shown.getLine(1)!.getCell(0)!.isBgDefault());
  assert.equal(shown.getLine(0)!.getCell(4)!.getChars(), "");
  assert.ok(shown.getLine(0)!.getCell(4)!.isBgDefault());
});

test("256 colours come as near as the palette can", async () => {
  // xterm's levels are 0, 95, 135, 175, 215, 255; its greys are 8, 18, …, 238.
  const levels = [0, 95, 135, 175, 215, 255];
  const grey = { height: 1, width: 1, channels: 1 as const };
  for (let value = 0; value < 256; value++) {
    const text = await terminalImage({ ...grey, pixels: Uint8Array.of(value) }, "blocks", {
      columns: 1,
      trueColour: false,
    });
    const index = Number(/38;5;(\d+)m/.exec(text)![1]);
    const shade = index >= 232 ? 8 + 10 * (index - 232) : levels[(index - 16) % 6]!;
    const best = Math.min(
      ...[...levels.slice(0, 1), 255, ...Array.from({ length: 24 }, (_, i) => 8 + 10 * i)].map((s) =>
        Math.abs(s - value),
      ),
    );
    assert.equal(Math.abs(shade - value), best, `${value}`);
  }
  for (let value = 0; value < 256; value++) {
    const pixels = Uint8Array.of(value, 255 - value, 77);
    const text = await terminalImage({ height: 1, width: 1, channels: 3, pixels }, "blocks", {
      columns: 1,
      trueColour: false,
    });
    const index = Number(/38;5;(\d+)m/.exec(text)![1]) - 16;
    const parts = [Math.floor(index / 36), Math.floor(index / 6) % 6, index % 6].map((i) => levels[i]!);
    parts.forEach((level, i) => {
      const best = Math.min(...levels.map((l) => Math.abs(l - pixels[i]!)));
      assert.equal(Math.abs(level - pixels[i]!), best, `${[...pixels]}`);
    });
  }
});

test("an image wider than the terminal is made narrower", async () => {
  const wide = { height: 20, width: 100, channels: 1 as const, pixels: new Uint8Array(2000).fill(9) };
  const lines = (await terminalImage(wide, "blocks", { columns: 10, trueColour: true }))
    .trimEnd()
    .split("\n");
  assert.equal(lines.length, 1);
  assert.equal([...lines[0]!].filter((character) => character === "▀").length, 10);
});

test("the protocols of kitty and iTerm2 carry the image as PNG", async () => {
  const options = { columns: 80, trueColour: true };
  const noise = { height: 64, width: 64, channels: 3 as const, pixels: new Uint8Array(64 * 64 * 3) };
  for (let i = 0, state = 1; i < noise.pixels.length; i++) {
    state = (state * 48271) % 2147483647;
    noise.pixels[i] = state;
  }
  const pixels = async (base64: string) =>
    new Uint8Array(await sharp(Buffer.from(base64, "base64")).raw().toBuffer());
  const kitty = visible(await terminalImage(noise, "kitty", options));
  const chunks = [...kitty.matchAll(/ESC_G(f=100,a=T,)?m=([01]);([A-Za-z0-9+/=]*)ESC\\/g)];
  assert.equal(chunks.map(([whole]) => whole).join(""), kitty.trimEnd());
  assert.ok(
    chunks.length > 2 &&
      chunks.every(([, first, more, data], i) => {
        return (
          (first !== undefined) === (i === 0) &&
          (more === "1") === i < chunks.length - 1 &&
          data!.length <= 4096
        );
      }),
  );
  assert.deepEqual(await pixels(chunks.map((chunk) => chunk[3]).join("")), noise.pixels);
  const [, size, data] = /^ESC\]1337;File=inline=1;size=(\d+):([A-Za-z0-9+/=]+)BELL\n$/.exec(
    visible(await terminalImage(noise, "iterm2", options)),
  )!;
  assert.equal(Buffer.from(data!, "base64").length, Number(size));
  assert.deepEqual(await pixels(data!), noise.pixels);
});

test("the environment says what a terminal can show", () => {
  const rows: [environment: Record<string, string>, isTerminal: boolean, expected: string | null][] = [
    [{ TERM: "xterm-256color" }, true, "blocks"],
    [{ TERM: "xterm-kitty" }, true, "kitty"],
    [{ TERM: "xterm-256color", KITTY_WINDOW_ID: "1" }, true, "kitty"],
    [{ TERM: "xterm-ghostty" }, true, "kitty"],
    [{ TERM: "xterm-256color", TERM_PROGRAM: "iTerm.app" }, true, "iterm2"],
    [{ TERM: "xterm-256color", TERM_PROGRAM: "WezTerm" }, true, "iterm2"],
    [{ TERM: "tmux-256color", KITTY_WINDOW_ID: "1" }, true, "blocks"],
    [{ TERM: "xterm-256color", TERM_PROGRAM: "iTerm.app", TMUX: "/tmp/x" }, true, "blocks"],
    [{ TERM: "xterm-kitty" }, false, null],
    [{ TERM: "dumb" }, true, null],
    [{ TERM: "xterm-kitty", NO_COLOR: "1" }, true, null],
  ];
  for (const [environment, isTerminal, expected] of rows) {
    assert.equal(imageProtocol(environment, isTerminal), expected, JSON.stringify(environment));
  }
  assert.ok(hasTrueColour({ COLORTERM: "truecolor" }) && !hasTrueColour({ COLORTERM: "" }));
});
