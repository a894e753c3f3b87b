import { useRef, useState } from "preact/hooks";
import { groundColours, sequentialColour, seriesColours } from "../../src/palette.ts";
import { csv, number, save } from "../core/format.ts";
import { useSettings } from "../core/settings.ts";
import { texts, useText } from "../core/text.ts";
import type { FitView } from "../fit/fitView.ts";
import { PlotFrame } from "./plotFrame.tsx";
import { saveElement } from "./saveElement.ts";
import { ticks } from "./ticks.ts";

const words = texts({
  en: {
    title: "Losses by learning rate and batch size",
    batch: "batch size",
    rate: "learning rate",
    loss: "loss",
    least: "least",
    run: "run: its colour is its loss",
    diverged: "diverged or without a loss",
    optimum: "best, with its interval",
    edge: "best lies at the edge of what was tried",
    answer: "answer, with its interval",
    law: "law",
  },
  zh: {
    title: "各学习率与批量的损失",
    batch: "批量",
    rate: "学习率",
    loss: "损失",
    least: "最小",
    run: "一次训练：颜色表示损失",
    diverged: "发散或没有损失",
    optimum: "最佳值及其区间",
    edge: "最佳值位于所试范围的边缘",
    answer: "答案及其区间",
    law: "定律",
  },
});

const [width, height] = [760, 430];
const [left, right, top, bottom] = [70, 16, 12, 44];

/** Learning rate against batch size: runs by their losses, the optima, the law, the answer. */
export function SweepMap({ fit, name }: { readonly fit: FitView; readonly name: string }) {
  const t = useText(words);
  const { ground } = useSettings();
  const [pointed, setPointed] = useState<string | null>(null);
  const picture = useRef<SVGSVGElement>(null);
  const colours = groundColours[ground];
  const series = seriesColours[ground];
  const sizes = [
    ...fit.runs.map(({ batchSize }) => batchSize),
    ...fit.predictions.map(({ batchSize }) => batchSize),
  ];
  const shownRates = [
    ...fit.runs.map(({ learningRate }) => learningRate),
    ...fit.predictions.map(({ value }) => value),
  ];
  const xRange = [Math.min(...sizes) / 1.5, Math.max(...sizes) * 1.5] as const;
  const yRange = [Math.min(...shownRates) / 1.5, Math.max(...shownRates) * 1.5] as const;
  const log = (value: number, [low, high]: readonly [number, number]) =>
    Math.log(value / low) / Math.log(high / low);
  const px = (value: number) => left + (width - left - right) * log(value, xRange);
  const py = (value: number) => {
    const clipped = Math.min(Math.max(value, yRange[0]), yRange[1]);
    return top + (height - top - bottom) * (1 - log(clipped, yRange));
  };
  // The least losses differ little, the worst by far: ranks show both.
  const losses = fit.runs.flatMap(({ loss }) => (loss === null ? [] : [loss])).sort((a, b) => a - b);
  const rank = (loss: number) => (losses.length < 2 ? 0 : losses.indexOf(loss) / (losses.length - 1));
  const line = (points: readonly (readonly [number, number])[]) =>
    points
      .filter(([x, y]) => x >= xRange[0] && x <= xRange[1] && y >= yRange[0] && y <= yRange[1])
      .map(([x, y], i) => `${i === 0 ? "M" : "L"}${px(x).toFixed(1)} ${py(y).toFixed(1)}`)
      .join("");
  const band = fit.line.filter(({ batchSize }) => batchSize >= xRange[0] && batchSize <= xRange[1]);
  const bandPath = [
    ...band.map(({ batchSize, high }) => [batchSize, high] as const),
    ...band.toReversed().map(({ batchSize, low }) => [batchSize, low] as const),
  ]
    .map(([x, y], i) => `${i === 0 ? "M" : "L"}${px(x).toFixed(1)} ${py(y).toFixed(1)}`)
    .join("");
  const summary = fit.optima
    .map(({ batchSize, value }) => `${t.batch} ${number(batchSize)}: ${t.rate} ${number(value, 3)}`)
    .join("; ");
  const exportSvg = () => saveElement(`${name}-map`, picture.current!, colours.ground);
  const exportCsv = () =>
    save(
      `${name}.csv`,
      "text/csv",
      csv([
        ["batch_size", "learning_rate", "loss", "status"],
        ...fit.runs.map((run) => [run.batchSize, run.learningRate, run.loss, run.status]),
      ]),
    );
  return (
    <PlotFrame title={t.title} isWide exportSvg={exportSvg} exportCsv={exportCsv}>
      <svg
        ref={picture}
        class="picture"
        viewBox={`0 0 ${width} ${height}`}
        role="img"
        aria-label={`${t.title}. ${summary}`}
        font-family="system-ui, sans-serif"
        font-size="12"
      >
        <title>{t.title}</title>
        {ticks(xRange, true).map((value) => (
          <g key={`x${value}`}>
            <path d={`M${px(value)} ${top}V${height - bottom}`} stroke={colours.line} />
            <text x={px(value)} y={height - bottom + 16} text-anchor="middle" fill={colours.quiet}>
              {number(value)}
            </text>
          </g>
        ))}
        {ticks(yRange, true).map((value) => (
          <g key={`y${value}`}>
            <path d={`M${left} ${py(value)}H${width - right}`} stroke={colours.line} />
            <text x={left - 6} y={py(value) + 4} text-anchor="end" fill={colours.quiet}>
              {number(value)}
            </text>
          </g>
        ))}
        <text x={(left + width - right) / 2} y={height - 8} text-anchor="middle" fill={colours.text}>
          {t.batch}
        </text>
        <text
          transform={`translate(14 ${(top + height - bottom) / 2}) rotate(-90)`}
          text-anchor="middle"
          fill={colours.text}
        >
          {t.rate}
        </text>
        {band.length > 1 && <path d={bandPath} fill={series[1]} opacity="0.15" />}
        {fit.laws.map((law, i) => (
          <path
            key={law.name}
            d={line(law.line)}
            fill="none"
            stroke={series[(i + 2) % series.length]}
            stroke-dasharray="3 4"
          />
        ))}
        {band.length > 1 && (
          <path
            d={line(band.map(({ batchSize, value }) => [batchSize, value]))}
            fill="none"
            stroke={series[1]}
            stroke-width="2.5"
          />
        )}
        {fit.runs.map((run, i) => {
          const label = `${t.batch} ${number(run.batchSize)}, ${t.rate} ${number(run.learningRate)}: ${run.loss === null ? t.diverged : `${t.loss} ${number(run.loss, 5)}`}`;
          const point = { onMouseEnter: () => setPointed(label), onMouseLeave: () => setPointed(null) };
          const [x, y] = [px(run.batchSize), py(run.learningRate)];
          return run.loss === null ? (
            <path
              key={i}
              d={`M${x - 5} ${y - 5}l10 10m0 -10l-10 10`}
              stroke={colours.text}
              stroke-width="2"
              {...point}
            >
              <title>{label}</title>
            </path>
          ) : (
            <circle
              key={i}
              cx={x}
              cy={y}
              r="7"
              fill={sequentialColour(1 - rank(run.loss))}
              stroke={colours.quiet}
              stroke-width="0.75"
              {...point}
            >
              <title>{label}</title>
            </circle>
          );
        })}
        {fit.optima
          .filter(({ kind }) => kind !== "unresolved")
          .map((optimum) => {
            const x = px(optimum.batchSize);
            const label = `${t.batch} ${number(optimum.batchSize)}: ${t.rate} ${number(optimum.value, 3)} (${number(optimum.low, 3)} – ${number(optimum.high, 3)})`;
            if (optimum.kind === "above" || optimum.kind === "below") {
              const isAbove = optimum.kind === "above";
              const y = py(optimum.tried[isAbove ? 1 : 0]) + (isAbove ? -14 : 14);
              return (
                <path
                  key={optimum.batchSize}
                  d={`M${x - 7} ${y}h14l-7 ${isAbove ? -11 : 11}z`}
                  fill={series[1]}
                  stroke={colours.ground}
                >
                  <title>{`${label}: ${t.edge}`}</title>
                </path>
              );
            }
            return (
              <g key={optimum.batchSize} stroke={series[0]} stroke-width="2.5">
                <path d={`M${x + 12} ${py(optimum.low)}V${py(optimum.high)}`} />
                <path d={`M${x + 6} ${py(optimum.value)}h12`} stroke-width="4">
                  <title>{label}</title>
                </path>
              </g>
            );
          })}
      </svg>
      <p class="quiet" role="status">
        {pointed ?? " "}
      </p>
      <ul class="legend">
        <li>● {t.run}</li>
        <li>✕ {t.diverged}</li>
        <li>
          <span style={{ color: series[0] }}>╋</span> {t.optimum}
        </li>
        {fit.optima.some(({ kind }) => kind === "above" || kind === "below") && (
          <li>
            <span style={{ color: series[1] }}>▲</span> {t.edge}
          </li>
        )}
        {band.length > 1 && (
          <li>
            <span style={{ color: series[1] }}>━</span> {t.answer}
          </li>
        )}
        {fit.laws.map((law, i) => (
          <li key={law.name}>
            <span style={{ color: series[(i + 2) % series.length] }}>┅</span> {t.law} {law.name} (
            {Math.round(100 * law.weight)}
            &nbsp;%)
          </li>
        ))}
      </ul>
    </PlotFrame>
  );
}
