import type { UiContext } from "./context.ts";

/** What a route is asked. */
export interface UiRequest {
  /** Parts of the path that its pattern names. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** JSON of a POST; not checked yet. */
  readonly body: unknown;
  /** Aborted when whoever asks is gone. */
  readonly signal: AbortSignal;
  /** What the server would answer to a GET of this address; throws as the route that it is. */
  ask(address: string): Promise<unknown>;
}

/** An answer that isn't JSON. */
export class FileAnswer {
  readonly type: string;
  readonly data: Uint8Array | string;
  /** Under which a browser saves it; without, it shows it. */
  readonly name: string | null;

  constructor(type: string, data: Uint8Array | string, name: string | null = null) {
    this.type = type;
    this.data = data;
    this.name = name;
  }
}

/** There is nothing of that name. */
export class NotFoundError extends Error {}

/**
 * A piece of what the server knows. A new one is a file with this row in `routes/`, and its name in `routes/index.ts`.
 */
export interface Route {
  readonly method: "GET" | "POST";
  /** `/api/runs/:run`: a name after a colon stands for a part. */
  readonly path: string;
  /** @returns what is sent as JSON, or a {@link FileAnswer} */
  answer(context: UiContext, request: UiRequest): unknown;
}

export const route = (row: Route): Route => row;
