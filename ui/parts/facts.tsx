import type { ComponentChildren } from "preact";

export interface Fact {
  readonly key: string;
  readonly name: ComponentChildren;
  readonly value: ComponentChildren;
}

/** What there is to know at a glance: a name above each value. What isn't known is left out. */
export function Facts({ facts }: { readonly facts: readonly (Fact | null)[] }) {
  return (
    <dl class="facts">
      {facts
        .filter((fact) => fact !== null)
        .map(({ key, name, value }) => (
          <div key={key}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}
