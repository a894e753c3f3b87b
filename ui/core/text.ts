import { type Language, useSettings } from "./settings.ts";

/** Words of a page in every language: one that is missing in one of them doesn't compile. */
export type Texts<T> = Readonly<Record<Language, T>>;

export const texts = <T>(table: { readonly en: T; readonly zh: NoInfer<T> }): Texts<T> => table;

export function useText<T>(table: Texts<T>): T {
  return table[useSettings().language];
}
