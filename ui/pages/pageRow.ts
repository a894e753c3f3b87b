import type { ComponentType } from "preact";
import type { Texts } from "../core/text.ts";

export interface PageProps {
  /** Parts of the path that the page's pattern names. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
}

/** A page. A new one is a file with this row in `pages/`, and its name in `pages/index.ts`; what it asks for is a route of the server. */
export interface PageRow {
  /** After the `#`: `/run/:run`. */
  readonly path: string;
  readonly title: Texts<string>;
  /** Whether it stands in the list at the top. */
  readonly isListed: boolean;
  readonly Page: ComponentType<PageProps>;
}

export const pageRow = (row: PageRow): PageRow => row;
