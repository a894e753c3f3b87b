import { texts, useText } from "../core/text.ts";

const words = texts({
  en: { label: "Playground", text: "Text", positions: "Positions", codes: "Codes of images" },
  zh: { label: "试验场", text: "文本", positions: "位置", codes: "图像的码" },
});

const places = {
  text: "#/playground",
  positions: "#/playground/positions",
  codes: "#/playground/codes",
} as const;

/** The pages of the playground. */
export function PlaygroundTabs({ current }: { readonly current: keyof typeof places }) {
  const t = useText(words);
  return (
    <nav class="tabs" aria-label={t.label}>
      {(Object.keys(places) as (keyof typeof places)[]).map((name) => (
        <a key={name} href={places[name]} aria-current={name === current ? "page" : undefined}>
          {t[name]}
        </a>
      ))}
    </nav>
  );
}
