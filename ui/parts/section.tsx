import type { ComponentChildren } from "preact";

/** A part of a page with its heading; left out without content. */
export function Section({
  title,
  children,
  isOpen = true,
}: {
  readonly title: string;
  readonly children: ComponentChildren;
  readonly isOpen?: boolean;
}) {
  return (
    <details class="section" open={isOpen}>
      <summary>
        <h2>{title}</h2>
      </summary>
      {children}
    </details>
  );
}
