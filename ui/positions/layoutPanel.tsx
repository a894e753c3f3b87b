import type { PlacedReport, PlacedSegment } from "../../src/cli/positionsReport.ts";
import { positionsSvg } from "../../src/cli/positionsSvg.ts";
import { ApiError, shared } from "../core/api.ts";
import { csv, number, save } from "../core/format.ts";
import { texts, useText } from "../core/text.ts";
import { Notices } from "../parts/notices.tsx";
import { Pending } from "../parts/pending.tsx";
import { Section } from "../parts/section.tsx";
import { Table } from "../parts/table.tsx";
import { PlotFrame } from "../plots/plotFrame.tsx";
import type { PropertyAnswer } from "./positionsAnswer.ts";
import { usePositions } from "./usePositions.ts";

const words = texts({
  en: {
    busy: "Working it out …",
    picture: (layout: string) => `Where ${layout} puts the tokens`,
    largest: (position: string, tokens: number, perToken: string) =>
      `Largest position ${position} in ${tokens} tokens: ${perToken} positions per token.`,
    segments: "Segments",
    columns: { segment: "Segment", tokens: "Tokens", first: "First", last: "Last" },
    properties: "Properties",
    property: "Property",
    verdict: "Verdict",
    verdicts: { held: "holds", broken: "broken", "not applicable": "says nothing" },
    example: "Counter-example",
    draw: (document: string) => `Draw ${document}`,
  },
  zh: {
    busy: "计算中……",
    picture: (layout: string) => `${layout} 把词元放在何处`,
    largest: (position: string, tokens: number, perToken: string) =>
      `${tokens} 个词元的最大位置为 ${position}：每词元 ${perToken} 个位置。`,
    segments: "片段",
    columns: { segment: "片段", tokens: "词元数", first: "首个", last: "末个" },
    properties: "性质",
    property: "性质",
    verdict: "结论",
    verdicts: { held: "成立", broken: "不成立", "not applicable": "不适用" },
    example: "反例",
    draw: (document: string) => `绘制 ${document}`,
  },
});

const vector = (values: readonly number[]) => `(${values.map((value) => number(value)).join(", ")})`;

function Properties({
  properties,
  onDraw,
}: {
  readonly properties: readonly PropertyAnswer[];
  onDraw(document: string): void;
}) {
  const t = useText(words);
  return (
    <Table
      label={t.properties}
      columns={[
        {
          key: "property",
          label: t.property,
          isHeading: true,
          cell: ({ name, says }) => (
            <>
              {name} <span class="quiet remark">{says}</span>
            </>
          ),
        },
        { key: "verdict", label: t.verdict, cell: ({ verdict }) => <strong>{t.verdicts[verdict]}</strong> },
        {
          key: "example",
          label: t.example,
          cell: ({ counterExample, message }) =>
            counterExample !== undefined && (
              <>
                {shared === null ? (
                  <button
                    type="button"
                    aria-label={t.draw(counterExample)}
                    onClick={() => onDraw(counterExample)}
                  >
                    <code>{counterExample}</code>
                  </button>
                ) : (
                  <code>{counterExample}</code>
                )}
                <span class="quiet remark">{message}</span>
              </>
            ),
        },
      ]}
      rows={properties}
      rowKey={({ name }) => name}
    />
  );
}

function Placed({ report, document }: { readonly report: PlacedReport; readonly document: string }) {
  const t = useText(words);
  const picture = positionsSvg(document, [report]);
  const title = t.picture(report.layout);
  const exportCsv = () =>
    save(
      `${report.layout}.csv`,
      "text/csv",
      csv([
        ["token", "segment", ...report.axes],
        ...report.segments.flatMap(({ segment, offset, positions }) =>
          positions.map((position, i) => [offset + i, segment, ...position]),
        ),
      ]),
    );
  const largest = t.largest(
    number(report.largestPosition),
    report.tokens,
    number(report.positionsPerToken, 3),
  );
  return (
    <>
      <Notices lines={report.precision === null ? [] : [report.precision]} />
      <PlotFrame
        title={title}
        exportSvg={() => save(`${report.layout}.svg`, "image/svg+xml", picture)}
        exportCsv={exportCsv}
      >
        <img
          class="picture"
          alt={`${title}. ${largest}`}
          src={`data:image/svg+xml,${encodeURIComponent(picture)}`}
        />
      </PlotFrame>
      <p>{largest}</p>
      <Table<PlacedSegment>
        label={t.segments}
        columns={[
          {
            key: "segment",
            label: t.columns.segment,
            isHeading: true,
            cell: ({ segment }) => <code>{segment}</code>,
          },
          {
            key: "tokens",
            label: t.columns.tokens,
            isNumber: true,
            cell: ({ positions }) => positions.length,
          },
          { key: "first", label: t.columns.first, cell: ({ positions }) => vector(positions[0]!) },
          { key: "last", label: t.columns.last, cell: ({ positions }) => vector(positions.at(-1)!) },
        ]}
        rows={report.segments}
        rowKey={({ offset }) => offset}
      />
    </>
  );
}

/** A document as a layout places it, and what is true of the layout. */
export function LayoutPanel({
  layout,
  document,
  onDraw,
}: {
  readonly layout: string;
  readonly document: string;
  /** A counter-example that a person wants to see. */
  onDraw(document: string): void;
}) {
  const t = useText(words);
  const placed = usePositions({ kind: "place", layout, document });
  const judged = usePositions({ kind: "properties", layout });
  return (
    <>
      {placed === null && <p role="status">{t.busy}</p>}
      {placed?.kind === "missing" && <Pending error={new ApiError("NOT_SHARED", "")} />}
      {placed?.kind === "refused" && <Notices lines={[placed.problem]} isAlert />}
      {placed?.kind === "place" && <Placed report={placed.report} document={document} />}
      <Section title={t.properties}>
        {judged === null && <p role="status">{t.busy}</p>}
        {judged?.kind === "missing" && <Pending error={new ApiError("NOT_SHARED", "")} />}
        {judged?.kind === "refused" && <Notices lines={[judged.problem]} />}
        {judged?.kind === "properties" && <Properties properties={judged.properties} onDraw={onDraw} />}
      </Section>
    </>
  );
}
