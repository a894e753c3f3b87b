/** What a person should know before looking further, a line each. */
export function Notices({
  lines,
  isAlert = false,
}: {
  readonly lines: readonly string[];
  /** Whether a screen reader says them at once. */
  readonly isAlert?: boolean;
}) {
  return (
    <>
      {lines.map((line) => (
        <p key={line} class="notice" role={isAlert ? "alert" : undefined}>
          {line}
        </p>
      ))}
    </>
  );
}
