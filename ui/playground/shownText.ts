/** A token's text with what can't be seen in it as signs. */
export const shownText = (text: string): string =>
  text === ""
    ? "∅"
    : text
        .replaceAll(" ", "␣")
        .replaceAll("\n", "⏎")
        .replaceAll("\t", "⇥")
        .replace(/\p{Cc}/gu, "·");
