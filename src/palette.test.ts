import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Ground,
  groundColours,
  sequentialColour,
  sequentialColours,
  seriesColours,
  seriesStyle,
} from "./palette.ts";
import { contrast, difference, fromHex, okLab, seenBy, vision } from "./testing/colourVision.ts";

for (const [name, matrix] of Object.entries(vision)) {
  for (const ground of Object.keys(seriesColours) as Ground[]) {
    test(`colours of series are told apart on ${ground} with ${name}`, () => {
      const seen = seriesColours[ground].map((colour) => seenBy(fromHex(colour), matrix));
      for (const [i, a] of seen.entries())
        for (const [j, b] of seen.slice(0, i).entries())
          assert.ok(difference(a, b) > 0.15, `${seriesColours[ground][i]} and ${seriesColours[ground][j]}`);
    });
  }
  test(`the sequential colours grow lighter evenly with ${name}`, () => {
    const lightness = Array.from(
      { length: 33 },
      (_, i) => okLab(seenBy(fromHex(sequentialColour(i / 32)), matrix))[0],
    );
    for (const [i, value] of lightness.entries()) {
      if (i === 0) continue;
      const grows = value - lightness[i - 1]!;
      assert.ok(grows > 0.006 && grows < 0.05, `${i}: ${grows}`);
    }
  });
}

test("lines and words are visible on their ground, by WCAG's contrasts", () => {
  for (const ground of Object.keys(seriesColours) as Ground[]) {
    const { ground: under, text, quiet } = groundColours[ground];
    for (const colour of seriesColours[ground])
      assert.ok(contrast(colour, under) >= 3, `${colour} on ${under}`);
    for (const colour of [text, quiet]) assert.ok(contrast(colour, under) >= 4.5, colour);
  }
});

test("no two of 32 series look alike", () => {
  const styles = Array.from({ length: 32 }, (_, i) => JSON.stringify(seriesStyle(i)));
  assert.equal(new Set(styles).size, 32);
  assert.equal(sequentialColour(-1), sequentialColours[0]);
  assert.equal(sequentialColour(2), sequentialColours.at(-1));
});
