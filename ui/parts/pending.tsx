import type { ApiError } from "../core/api.ts";
import { texts, useText } from "../core/text.ts";

const words = texts({
  en: {
    loading: "Loading …",
    errors: {
      AWAY: "The server doesn't answer.",
      NOT_SHARED: "This copy doesn't hold that part.",
    } as Readonly<Record<string, string>>,
  },
  zh: {
    loading: "加载中……",
    errors: {
      AWAY: "服务器没有响应。",
      NOT_SHARED: "此副本不含这一部分。",
    } as Readonly<Record<string, string>>,
  },
});

/** What is shown until data come, or in their place. */
export function Pending({ error }: { readonly error: ApiError | null }) {
  const t = useText(words);
  if (error === null) return <p class="quiet">{t.loading}</p>;
  return (
    <p class="notice" role="alert">
      {t.errors[error.code] ?? error.message}
    </p>
  );
}
