import type { ComponentChildren } from "preact";

/** A picture with its title, what can be set of it, and its two exports. */
export function PlotFrame({
  title,
  isWide = false,
  tools,
  exportSvg,
  exportCsv,
  children,
}: {
  readonly title: string;
  /** Whether it takes the whole width of a grid of plots. */
  readonly isWide?: boolean;
  readonly tools?: ComponentChildren;
  /** Left out where there is nothing to save. */
  readonly exportSvg?: () => void;
  readonly exportCsv?: () => void;
  readonly children: ComponentChildren;
}) {
  return (
    <figure class={isWide ? "plot wide" : "plot"}>
      <figcaption>
        <span class="plot-title">{title}</span>
        <span class="plot-tools">
          {tools}
          {exportSvg !== undefined && (
            <button type="button" onClick={exportSvg}>
              SVG
            </button>
          )}
          {exportCsv !== undefined && (
            <button type="button" onClick={exportCsv}>
              CSV
            </button>
          )}
        </span>
      </figcaption>
      {children}
    </figure>
  );
}
