import { useEffect } from "preact/hooks";
import type { ModelPlace } from "../../src/ui/model/modelQuestion.ts";
import { shared } from "../core/api.ts";
import { number } from "../core/format.ts";
import { codesHref } from "../core/router.ts";
import { texts, useText } from "../core/text.ts";
import { useData } from "../core/useData.ts";
import { useKept } from "../core/useKept.ts";
import { Choice } from "../parts/choice.tsx";
import { Notices } from "../parts/notices.tsx";
import { Section } from "../parts/section.tsx";
import { useModel } from "../playground/askModel.ts";
import {
  type AskedPlace,
  CheckpointChooser,
  parsePlace,
  placeText,
  useCheckpoint,
} from "../playground/checkpointChooser.tsx";
import { Picture } from "../playground/picture.tsx";
import { PlaygroundTabs } from "../playground/tabs.tsx";
import { pageRow } from "./pageRow.ts";

const words = texts({
  en: {
    title: "Codes of images",
    intro:
      "What the decoder makes of an image that has one code everywhere. Choose two codes to see the way from one to the other.",
    several: "The other codebooks have this code everywhere:",
    busy: "The model is asked …",
    codebook: "Codebook",
    atlas: (from: number, to: number, size: number) => `Atlas: codes ${from} to ${to} of ${size}`,
    code: (code: number, hits: number | null) =>
      hits === null ? `code ${code}` : `code ${code}, ${hits} hits`,
    earlier: "Earlier codes",
    later: "Later codes",
    between: (a: number, b: number) => `From code ${a} to code ${b}`,
    share: (percent: string) => `${percent} of the way`,
  },
  zh: {
    title: "图像的码",
    intro: "整幅图像只用一个码时，解码器给出的图片。选择两个码，查看从一个到另一个的过渡。",
    several: "其他码本处处为此码：",
    busy: "正在询问模型……",
    codebook: "码本",
    atlas: (from: number, to: number, size: number) => `图集：${size} 个码中的 ${from} 至 ${to}`,
    code: (code: number, hits: number | null) =>
      hits === null ? `码 ${code}` : `码 ${code}，命中 ${hits} 次`,
    earlier: "前面的码",
    later: "后面的码",
    between: (a: number, b: number) => `从码 ${a} 到码 ${b}`,
    share: (percent: string) => `路程的 ${percent}`,
  },
});

interface HistogramFile {
  readonly step: number;
  readonly codebooks: readonly { readonly hits: readonly (readonly [number, number])[] }[];
}

const pageSize = 64;

interface View {
  readonly codebook: number;
  readonly from: number;
  readonly base: number;
  /** The last two that were chosen. */
  readonly chosen: readonly number[];
}

const firstView: View = { codebook: 0, from: 0, base: 0, chosen: [] };

/** The codes of a checkpoint. */
function Codebook({ at, histogram }: { readonly at: ModelPlace; readonly histogram: string | null }) {
  const t = useText(words);
  const [view, setView] = useKept<View>("codes", firstView);
  const atlas = useModel("atlas", "atlas");
  const between = useModel("between", "between");
  const { codebook, from, base, chosen } = view;
  const hits = useData<HistogramFile>(histogram, "once").data?.codebooks[codebook]?.hits;
  useEffect(() => atlas.ask(at, { codebook, from, base }), [at.run, at.step, codebook, from, base]);
  const [first, last] = chosen;
  useEffect(() => {
    if (first !== undefined && last !== undefined) between.ask(at, { codebook, base, codes: [first, last] });
  }, [at.run, at.step, codebook, base, first, last]);
  const { answer } = atlas;
  const size = answer?.codebookSizes[codebook] ?? 0;
  const counts = hits === undefined ? null : new Map(hits);
  const hitsOf = (code: number) => (counts === null ? null : (counts.get(code) ?? 0));
  const problems = [atlas.problem, between.problem].filter((problem) => problem !== null);
  return (
    <>
      {atlas.isBusy && <p role="status">{t.busy}</p>}
      <Notices lines={problems} isAlert />
      {answer !== null && answer.codebookSizes.length > 1 && (
        <div class="controls">
          <Choice
            label={t.codebook}
            value={String(codebook)}
            names={answer.codebookSizes.map((_, i) => String(i))}
            wordOf={(name) => String(Number(name) + 1)}
            onChange={(name) => setView({ ...view, codebook: Number(name), from: 0, chosen: [] })}
          />
          <label>
            {t.several}{" "}
            <input
              type="number"
              min="0"
              max={Math.min(...answer.codebookSizes) - 1}
              value={base}
              onChange={(event) => setView({ ...view, base: Math.max(0, Number(event.currentTarget.value)) })}
            />
          </label>
        </div>
      )}
      {answer !== null && (
        <Section title={t.atlas(answer.from, answer.from + answer.pictures.count - 1, size)}>
          <div class="atlas">
            {Array.from({ length: answer.pictures.count }, (_, i) => {
              const code = answer.from + i;
              return (
                <button
                  key={code}
                  type="button"
                  aria-pressed={chosen.includes(code)}
                  aria-label={t.code(code, hitsOf(code))}
                  title={t.code(code, hitsOf(code))}
                  onClick={() =>
                    setView({ ...view, chosen: [...chosen.filter((own) => own !== code), code].slice(-2) })
                  }
                >
                  <Picture pictures={answer.pictures} index={i} />
                </button>
              );
            })}
          </div>
          {shared === null && size > pageSize && (
            <p class="selection">
              <button
                type="button"
                disabled={from === 0}
                onClick={() => setView({ ...view, from: Math.max(0, from - pageSize) })}
              >
                {t.earlier}
              </button>
              <button
                type="button"
                disabled={from + pageSize >= size}
                onClick={() => setView({ ...view, from: from + pageSize })}
              >
                {t.later}
              </button>
            </p>
          )}
        </Section>
      )}
      {between.answer !== null && (
        <Section title={t.between(...between.answer.codes)}>
          <div class="atlas">
            {between.answer.shares.map((share, i) => {
              const percent = `${number(100 * share, 3)} %`;
              return (
                <figure key={share}>
                  <Picture pictures={between.answer!.pictures} index={i} label={t.share(percent)} />
                  <figcaption>{percent}</figcaption>
                </figure>
              );
            })}
          </div>
        </Section>
      )}
    </>
  );
}

function Codes({ query }: { readonly query: URLSearchParams }) {
  const t = useText(words);
  const place = parsePlace(query.get("at") ?? "");
  const { detail, checkpoint } = useCheckpoint(place);
  // As its codes were used when it was saved, or the last time before.
  const file = detail?.histograms.findLast(({ step }) => step <= (checkpoint?.step ?? 0))?.file;
  const go = (next: AskedPlace) => {
    location.hash = codesHref(placeText(next));
  };
  return (
    <>
      <h1>{t.title}</h1>
      {shared === null && <PlaygroundTabs current="codes" />}
      <p class="quiet">{t.intro}</p>
      <CheckpointChooser task="autoencoder" place={place} onChange={go} />
      {checkpoint !== null && (
        <Codebook
          key={placeText(checkpoint)}
          at={checkpoint}
          histogram={
            file === undefined
              ? null
              : `/api/runs/${encodeURIComponent(place.run)}/codes/${encodeURIComponent(file)}`
          }
        />
      )}
    </>
  );
}

export const codesPage = pageRow({
  path: "/playground/codes",
  title: { en: words.en.title, zh: words.zh.title },
  isListed: false,
  Page: Codes,
});
