import { useEffect, useState } from "preact/hooks";

export type Language = "en" | "zh";
export type Theme = "auto" | "light" | "dark";

/** What a person chose, kept by the browser. */
export interface Settings {
  readonly language: Language;
  readonly theme: Theme;
}

const key = "rotor-settings";
const darkness = matchMedia("(prefers-color-scheme: dark)");

function load(): Settings {
  const first: Settings = { language: navigator.language.startsWith("zh") ? "zh" : "en", theme: "auto" };
  try {
    const stored = JSON.parse(localStorage.getItem(key) ?? "{}") as Partial<Settings>;
    return {
      language: stored.language === "zh" || stored.language === "en" ? stored.language : first.language,
      theme: stored.theme === "light" || stored.theme === "dark" ? stored.theme : first.theme,
    };
  } catch {
    // A page from a file may have no storage.
    return first;
  }
}

let settings = load();
const listeners = new Set<() => void>();

function apply(): void {
  document.documentElement.lang = settings.language === "zh" ? "zh-Hans" : "en";
  document.documentElement.dataset.ground = groundOf(settings);
}

export function groundOf({ theme }: Settings): "light" | "dark" {
  if (theme !== "auto") return theme;
  return darkness.matches ? "dark" : "light";
}

export function changeSettings(change: Partial<Settings>): void {
  settings = { ...settings, ...change };
  try {
    localStorage.setItem(key, JSON.stringify(settings));
  } catch {
    // It holds until the page is closed.
  }
  apply();
  for (const listener of listeners) listener();
}

darkness.addEventListener("change", () => changeSettings({}));
apply();

export function useSettings(): Settings & { readonly ground: "light" | "dark" } {
  const [, redraw] = useState(0);
  useEffect(() => {
    const listener = () => redraw((count) => count + 1);
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  }, []);
  return { ...settings, ground: groundOf(settings) };
}
