import { AssertionError } from "node:assert";
import { RotorError } from "../src/errors.ts";
import type { Border } from "./border.ts";

export interface Failure {
  readonly kind: "wrong answer" | "foreign error";
  readonly what: string;
}

/** How an input was answered. */
export type Answer = { readonly kind: "right" | "refused" } | Failure;

/** What went wrong in a line that is the same for inputs that fail alike. */
function signature(error: unknown): string {
  if (!(error instanceof Error)) return `throws ${String(error)}`;
  const place = /\/((?:src|fuzz)\/[^\s:)]+)/.exec(error.stack ?? "")?.[1] ?? "";
  return `${error.name}: ${error.message.split("\n")[0]!.slice(0, 300)}${place === "" ? "" : ` (${place})`}`;
}

export async function answer<Input>(border: Border<Input>, input: Input): Promise<Answer> {
  try {
    await border.check(input);
    return { kind: "right" };
  } catch (error) {
    if (error instanceof AssertionError) return { kind: "wrong answer", what: signature(error) };
    if (!(error instanceof RotorError)) return { kind: "foreign error", what: signature(error) };
    // The command prints it on one line of a terminal.
    if (/\p{Cc}/u.test(error.message))
      return {
        kind: "wrong answer",
        what: `${error.name}: more than a line: ${JSON.stringify(error.message)}`,
      };
    return { kind: "refused" };
  }
}
