import { useEffect, useState } from "preact/hooks";

/** A line to write; it counts when it is left or confirmed, as half a word means nothing. */
export function Field({
  label,
  value,
  hint,
  list,
  onChange,
}: {
  readonly label: string;
  readonly value: string;
  /** Shown while it is empty. */
  readonly hint?: string;
  /** Id of a list of words to choose from. */
  readonly list?: string;
  readonly onChange: (value: string) => void;
}) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  return (
    <label>
      {label}{" "}
      <input
        value={text}
        placeholder={hint}
        list={list}
        onInput={(event) => setText(event.currentTarget.value)}
        onChange={(event) => onChange(event.currentTarget.value.trim())}
      />
    </label>
  );
}
