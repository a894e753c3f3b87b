import type { ComponentChildren } from "preact";

/** What is wider than the page, and scrolls by itself. */
export function Scroller({
  label,
  kind,
  children,
}: {
  readonly label: string;
  readonly kind: "scroll" | "strip";
  readonly children: ComponentChildren;
}) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard must reach what scrolls
    <section class={kind} tabIndex={0} aria-label={label}>
      {children}
    </section>
  );
}
