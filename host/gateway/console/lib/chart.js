// A chart over time, by uPlot. It is loaded when the first chart is drawn; its place is kept free, so that nothing moves then.
//
// Lines differ in their dashes too, not in colour alone. The legend shows the values of the time under the pointer, in all charts at
// once, and the latest ones otherwise.
import { html, useEffect, useRef, useState } from "./ui.js";
import { clock, hoursAndMinutes } from "./format.js";
import { loadStyle } from "./styles.js";

/** Dashes of the first, second, third and fourth line, in pixels. */
const DASHES = [[], [7, 3], [2, 3], [9, 3, 2, 3]];
/** Charts with the same key show the same time. */
const SYNC = "time";
/** Steps of axes for sizes: powers of two, so that labels are round. */
export const BINARY_STEPS = Array.from({ length: 31 }, (_, power) => 2 ** (power + 10));
/** Steps of axes for what is counted: no fractions. */
export const WHOLE_STEPS = Array.from({ length: 8 }, (_, power) => [1, 2, 5].map((step) => step * 10 ** power)).flat();

let loading = null;

/** The chart library; to be called early by views that will show charts. */
function loadCharts() {
  loading ??= Promise.all([import("../vendor/uPlot.esm.js"), loadStyle("/console/vendor/uPlot.min.css")]).then(([module]) => module.default);
  return loading;
}

let drawn = Promise.resolve();

/** Draws one chart after another, each in a task of its own: nine at once would hold the page up. */
function inTurn(work) {
  const pause = () => new Promise((resolve) => setTimeout(resolve));
  drawn = drawn.then(loadCharts).then(work).then(pause).catch((error) => console.error(error));
}

/** The colours of the style sheet, so that charts follow light and dark. */
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/**
 * `times`: seconds since 1970; another array for other data. `lines`: `[{label, values, colour: "--chart-1"}]`. `format(value)`: for axis
 * and legend. `title`: above the chart, and its name for screen readers; `summary`: what it shows now, in words (absent: latest, lowest
 * and highest value of each line).
 * `span`: seconds that the time axis shows. `steps`: of the axis of values. `shaded(index)`: whether the background is marked at this time.
 */
export function Chart({ title, times, lines, format, height = 130, summary, span = 3600, steps, shaded }) {
  const place = useRef(null);
  const chart = useRef(null);
  const latest = useRef(null);
  const [index, setIndex] = useState(null);
  latest.current = { data: [times, ...lines.map((line) => line.values)], shaded };
  const labels = lines.map((line) => line.label + line.colour).join();
  useEffect(() => draw({ place: place.current, chart, latest, setIndex, height, lines, format, span, steps }), [labels, height, span]);
  useEffect(() => chart.current?.setData(latest.current.data), [times, labels]);
  const words = summary ?? lines.map((line) => inWords(line, format)).join("; ");
  const shown = index !== null && index < times.length ? index : null;
  return html`<figure class="chart">
    <figcaption>
      <span class="chart-title">${title}</span><span class="chart-at">${shown !== null && clock(times[shown] * 1000)}</span>
    </figcaption>
    <${Legend} lines=${lines} index=${shown} format=${format} />
    <div ref=${place} class="chart-place" role="img" aria-label=${`${title}: ${words}`} style=${{ height: `${height}px` }}></div>
  </figure>`;
}

function Legend({ lines, index, format }) {
  return html`<ul class="chart-legend" aria-hidden="true">
    ${lines.map(({ label, values, colour: name }, number) => {
      const value = values.at(index ?? -1) ?? null;
      return html`<li key=${label}>
        <svg width="22" height="8" viewBox="0 0 22 8" style=${{ stroke: `var(${name})` }}>
          <line x1="0" y1="4" x2="22" y2="4" stroke-width="2" stroke-dasharray=${DASHES[number].join(" ")} />
        </svg>
        ${label} <strong>${value === null ? "–" : format(value)}</strong>
      </li>`;
    })}
  </ul>`;
}

function inWords({ label, values }, format) {
  const known = values.filter((value) => value !== null);
  if (!known.length) return `${label}: no values`;
  const [low, high] = known.reduce(([least, most], value) => [Math.min(least, value), Math.max(most, value)], [Infinity, -Infinity]);
  return `${label}: ${format(known.at(-1))}, lowest ${format(low)}, highest ${format(high)}`;
}

/** Draws the chart, and again when the scheme of colours changes; follows the width of its place. Returns what ends that. */
function draw({ place, chart, latest, setIndex, height, lines, format, span, steps }) {
  let gone = false;
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  let waits = false;
  const redraw = () => {
    if (waits) return;
    waits = true;
    inTurn((Plot) => {
      waits = false;
      if (gone || !place.clientWidth) return;
      chart.current?.destroy();
      const all = options({ width: place.clientWidth, height, lines, format, span, steps, latest, setIndex });
      chart.current = new Plot(all, latest.current.data, place);
    });
  };
  redraw();
  scheme.addEventListener("change", redraw);
  const resized = new ResizeObserver(([{ contentRect: { width } }]) => {
    if (!width || width === chart.current?.width) return;
    if (chart.current) chart.current.setSize({ width, height });
    else redraw();
  });
  resized.observe(place);
  return () => {
    gone = true;
    resized.disconnect();
    scheme.removeEventListener("change", redraw);
    chart.current?.destroy();
    chart.current = null;
  };
}

function options({ width, height, lines, format, span, steps, latest, setIndex }) {
  const grid = { stroke: colour("--line"), width: 1 };
  const axis = { stroke: colour("--text-soft"), grid, ticks: { show: false }, font: "11px system-ui, sans-serif" };
  const line = ({ label, colour: name }, number) => ({
    label, stroke: colour(name), width: 1.75, dash: DASHES[number], spanGaps: false,
    points: { show: false, filter: lonely, size: 4, fill: colour(name) },
  });
  return {
    width,
    height,
    // Room for half a label of the time axis at the right.
    padding: [8, 18, 0, 0],
    cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false }, sync: { key: SYNC, setSeries: false } },
    legend: { show: false },
    scales: {
      x: { range: (plot, first, last) => [(last ?? Date.now() / 1000) - span, last ?? Date.now() / 1000] },
      y: { range: (plot, low, high) => [Math.min(0, low ?? 0), (high ?? 0) > 0 ? high * 1.1 : 1] },
    },
    axes: [
      { ...axis, size: 24, gap: 4, space: 60, values: (plot, splits) => splits.map(hourAndMinute) },
      { ...axis, size: 62, gap: 4, space: 26, incrs: steps, values: (plot, splits) => splits.map((value) => written(value, format)) },
    ],
    hooks: { setCursor: [(plot) => setIndex(plot.cursor.idx ?? null)], drawClear: [(plot) => shade(plot, latest.current.shaded)] },
    series: [{}, ...lines.map(line)],
  };
}

function written(value, format) {
  if (value === 0) return "0";
  return value === null ? "" : format(value);
}

function hourAndMinute(at) {
  return hoursAndMinutes(new Date(at * 1000));
}

/** Values between two gaps: no line shows them, so they are drawn as points. */
function lonely(plot, series) {
  const values = plot.data[series];
  const alone = (value, at) => value !== null && (values[at - 1] ?? null) === null && (values[at + 1] ?? null) === null;
  return values.map((value, at) => (alone(value, at) ? at : -1)).filter((at) => at >= 0);
}

function shade(plot, shaded) {
  const times = plot.data[0];
  if (!shaded || times.length < 2 || !times.some((_, at) => shaded(at))) return;
  const { ctx: context, bbox } = plot;
  context.save();
  context.fillStyle = colour("--bad-back");
  times.forEach((time, at) => {
    if (!shaded(at)) return;
    const left = plot.valToPos(times[at - 1] ?? time, "x", true);
    context.fillRect(left, bbox.top, Math.max(plot.valToPos(time, "x", true) - left, 2), bbox.height);
  });
  context.restore();
}
