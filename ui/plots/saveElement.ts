import { save } from "../core/format.ts";

/** Saves a picture of the document as a file of its own, on the ground that it stands on. */
export function saveElement(name: string, picture: SVGSVGElement, ground: string): void {
  const copy = picture.cloneNode(true) as SVGSVGElement;
  copy.style.background = ground;
  save(`${name}.svg`, "image/svg+xml", new XMLSerializer().serializeToString(copy));
}
