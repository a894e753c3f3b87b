import { useEffect, useRef, useState } from "preact/hooks";
import { matchPath } from "../src/ui/matchPath.ts";
import { forgetAsked, shared, sharePage } from "./core/api.ts";
import { moment, save } from "./core/format.ts";
import { useLive } from "./core/live.ts";
import { currentHash, usePlace } from "./core/router.ts";
import { changeSettings, useSettings } from "./core/settings.ts";
import { texts, useText } from "./core/text.ts";
import { pages } from "./pages/index.ts";
import type { PageRow } from "./pages/pageRow.ts";

const words = texts({
  en: {
    pages: "Pages",
    skip: "Skip to the content",
    nothing: "There is no such page.",
    away: "The server doesn't answer; what is shown may be old. Start it again with rotor ui.",
    sharedAt: (time: string) => `A copy of ${time}: nothing here changes.`,
    share: "Save page",
    shareHint: "This page as one file that needs no server",
    theme: "Colours",
    themes: { auto: "as the system", light: "light", dark: "dark" },
    language: "中文",
  },
  zh: {
    pages: "页面",
    skip: "跳到正文",
    nothing: "没有此页面。",
    away: "服务器没有响应；所示内容可能已过时。请重新运行 rotor ui。",
    sharedAt: (time: string) => `${time} 的副本：此处内容不再变化。`,
    share: "保存页面",
    shareHint: "将此页面存为一个无需服务器的文件",
    theme: "颜色",
    themes: { auto: "随系统", light: "浅色", dark: "深色" },
    language: "English",
  },
});

/** The first page whose path it is; an empty path is the first page's. */
function findPage(path: string): { readonly row: PageRow; readonly params: Record<string, string> } | null {
  for (const row of pages) {
    const params = path === "/" && row === pages[0] ? {} : matchPath(row.path, path);
    if (params !== null) return { row, params };
  }
  return null;
}

export function App() {
  const t = useText(words);
  const { language, theme } = useSettings();
  const { path, query } = usePlace();
  const live = useLive();
  const found = findPage(path);
  const content = useRef<HTMLElement>(null);
  const asksFor = useRef("");
  const place = `${path}?${query}`;
  if (asksFor.current !== place) {
    asksFor.current = place;
    forgetAsked();
  }
  const [problem, setProblem] = useState<string | null>(null);
  const share = async () => {
    try {
      const name = document.title.replace(/[^\p{L}\p{N}]+/gu, "-");
      save(`${name}.html`, "text/html", await sharePage(currentHash()));
      setProblem(null);
    } catch (error) {
      setProblem((error as Error).message);
    }
  };
  const title = found?.row.title[language] ?? "";
  useEffect(() => {
    document.title = `${title === "" ? "" : `${title} · `}Rotor`;
  }, [title]);
  const last = useRef(path);
  useEffect(() => {
    // A screen reader goes on with the new page.
    if (last.current !== path) content.current?.focus();
    last.current = path;
  }, [path]);
  return (
    <>
      <button type="button" class="skip" onClick={() => content.current?.focus()}>
        {t.skip}
      </button>
      <header>
        <a class="brand" href={shared === null ? "#/" : "#"}>
          Rotor
        </a>
        {shared === null && (
          <nav aria-label={t.pages}>
            {pages
              .filter(({ isListed }) => isListed)
              .map((row) => (
                <a
                  key={row.path}
                  href={`#${row.path}`}
                  aria-current={found?.row === row ? "page" : undefined}
                >
                  {row.title[language]}
                </a>
              ))}
          </nav>
        )}
        <div class="settings">
          {shared === null && (
            <button type="button" title={t.shareHint} onClick={() => void share()}>
              {t.share}
            </button>
          )}
          <label>
            <span class="hidden">{t.theme}</span>
            <select
              value={theme}
              onChange={(event) => changeSettings({ theme: event.currentTarget.value as typeof theme })}
            >
              {(["auto", "light", "dark"] as const).map((name) => (
                <option key={name} value={name}>
                  {t.themes[name]}
                </option>
              ))}
            </select>
          </label>
          <button
            type="button"
            lang={language === "zh" ? "en" : "zh-Hans"}
            onClick={() => changeSettings({ language: language === "zh" ? "en" : "zh" })}
          >
            {t.language}
          </button>
        </div>
      </header>
      <main id="content" ref={content} tabIndex={-1}>
        {!live.isConnected && (
          <p class="notice" role="status">
            {t.away}
          </p>
        )}
        {problem !== null && (
          <p class="notice" role="alert">
            {problem}
          </p>
        )}
        {shared !== null && <p class="notice">{t.sharedAt(moment(shared.madeAt, language))}</p>}
        {found === null ? (
          <p>{t.nothing}</p>
        ) : (
          <found.row.Page key={path} params={found.params} query={query} />
        )}
      </main>
    </>
  );
}
