import { useEffect, useRef } from "preact/hooks";
import type { PicturesView } from "../../src/ui/views.ts";

const decoded = new WeakMap<PicturesView, Uint8Array>();

function bytesOf(pictures: PicturesView): Uint8Array {
  const known = decoded.get(pictures);
  if (known !== undefined) return known;
  const bytes = Uint8Array.from(atob(pictures.pixels), (character) => character.charCodeAt(0));
  decoded.set(pictures, bytes);
  return bytes;
}

/** One of several small images. */
export function Picture({
  pictures,
  index,
  label,
}: {
  readonly pictures: PicturesView;
  readonly index: number;
  /** What it shows; left out where something beside it says so. */
  readonly label?: string;
}) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { height, width, channels } = pictures;
  useEffect(() => {
    const bytes = bytesOf(pictures);
    const image = new ImageData(width, height);
    const start = index * height * width * channels;
    for (let pixel = 0; pixel < height * width; pixel++) {
      for (let channel = 0; channel < 3; channel++)
        image.data[4 * pixel + channel] = bytes[start + pixel * channels + (channels === 1 ? 0 : channel)]!;
      image.data[4 * pixel + 3] = 255;
    }
    canvas.current!.getContext("2d")!.putImageData(image, 0, 0);
  }, [pictures, index]);
  return (
    <canvas
      ref={canvas}
      class="tile"
      width={width}
      height={height}
      {...(label === undefined ? { "aria-hidden": true } : { role: "img", "aria-label": label })}
    />
  );
}
