import fc from "fast-check";
import type { Document, Segment } from "../document.ts";

const plain = { noNullPrototype: true } as const;
const side = fc.integer({ min: 1, max: 4 });

/** Small documents. */
export function documentArbitrary({ video }: { video: boolean }): fc.Arbitrary<Document> {
  const segments: fc.Arbitrary<Segment>[] = [
    fc.record({ kind: fc.constant("text" as const), length: fc.integer({ min: 1, max: 5 }) }, plain),
    fc.record({ kind: fc.constant("image" as const), height: side, width: side }, plain),
  ];
  if (video) {
    segments.push(
      fc.record({ kind: fc.constant("video" as const), frames: side, height: side, width: side }, plain),
      fc.record(
        {
          kind: fc.constant("video" as const),
          frames: side,
          height: side,
          width: side,
          secondsPerFrame: fc.constantFrom(0.25, 0.5, 2),
        },
        plain,
      ),
    );
  }
  return fc.array(fc.oneof(...segments), { minLength: 1, maxLength: 4 });
}
