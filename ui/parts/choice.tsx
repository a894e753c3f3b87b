/** One of several names, with its label. */
export function Choice<Name extends string>({
  label,
  value,
  names,
  wordOf = String,
  onChange,
}: {
  readonly label: string;
  readonly value: Name;
  readonly names: readonly Name[];
  /** What a person reads of a name. Default the name. */
  readonly wordOf?: (name: Name) => string;
  readonly onChange: (name: Name) => void;
}) {
  return (
    <label>
      {label}{" "}
      <select value={value} onChange={(event) => onChange(event.currentTarget.value as Name)}>
        {names.map((name) => (
          <option key={name} value={name}>
            {wordOf(name)}
          </option>
        ))}
      </select>
    </label>
  );
}
