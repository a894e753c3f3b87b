import type { RefObject } from "preact";
import { useEffect, useState } from "preact/hooks";

/** Width of an element in whole pixels; 0 until it is laid out. */
export function useWidth(element: RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const own = element.current!;
    const observer = new ResizeObserver(() => setWidth(Math.floor(own.clientWidth)));
    observer.observe(own);
    return () => observer.disconnect();
  }, []);
  return width;
}
