import { seriesColours } from "../../src/palette.ts";
import { useSettings } from "../core/settings.ts";

/** A curve as small as a word. */
export function Spark({ values }: { readonly values: readonly number[] | undefined }) {
  const { ground } = useSettings();
  const [width, height] = [90, 22];
  if (values === undefined || values.length < 2)
    return <svg width={width} height={height} aria-hidden="true" />;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const points = values
    .map((value, i) => {
      const x = 1 + ((width - 2) * i) / (values.length - 1);
      const y = high > low ? 1 + (height - 2) * (1 - (value - low) / (high - low)) : height / 2;
      return `${x.toFixed(1)},${y.toFixed(1)}`;
    })
    .join(" ");
  return (
    <svg width={width} height={height} aria-hidden="true">
      <polyline points={points} fill="none" stroke={seriesColours[ground][0]} stroke-width="1.5" />
    </svg>
  );
}
