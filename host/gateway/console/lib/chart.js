// A chart over time, by uPlot. It is loaded when the first chart is drawn.
import { html, useEffect, useRef } from "./ui.js";

let loading = null;

/** The colours of the style sheet, so that charts follow light and dark. */
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/**
 * `times`: seconds since 1970. `lines`: `[{label, values, colour: "--chart-1"}]`. `format(value)`: for axis and legend. `title`: above the chart, and its
 * name for screen readers; `summary`: what it shows now, in words.
 */
export function Chart({ title, times, lines, format, height = 140, summary }) {
  const place = useRef(null);
  const chart = useRef(null);
  const latest = useRef(null);
  latest.current = [times, ...lines.map((line) => line.values)];
  const labels = lines.map((line) => line.label + line.colour).join();
  useEffect(() => {
    let gone = false;
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const draw = (Plot) => {
      if (gone || !place.current) return;
      chart.current?.destroy();
      chart.current = new Plot(options(Plot, { width: place.current.clientWidth, height, lines, format }), latest.current, place.current);
    };
    loading ??= import("../vendor/uPlot.esm.js").then((module) => module.default);
    let redraw = () => {};
    loading.then((Plot) => {
      draw(Plot);
      redraw = () => draw(Plot);
      scheme.addEventListener("change", redraw);
    });
    const resized = new ResizeObserver(([entry]) => chart.current?.setSize({ width: entry.contentRect.width, height }));
    resized.observe(place.current);
    return () => {
      gone = true;
      resized.disconnect();
      scheme.removeEventListener("change", redraw);
      chart.current?.destroy();
      chart.current = null;
    };
  }, [labels, height]);
  useEffect(() => chart.current?.setData(latest.current), [times, labels]);
  return html`<figure class="chart">
    <figcaption><span>${title}</span>${summary && html`<strong>${summary}</strong>`}</figcaption>
    <div ref=${place} role="img" aria-label=${`${title}: ${summary ?? ""}`} style=${{ minHeight: `${height}px` }}></div>
  </figure>`;
}

function options(Plot, { width, height, lines, format }) {
  const axis = { stroke: colour("--text-soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
  return {
    width,
    height,
    cursor: { points: { size: 6 }, drag: { x: false, y: false } },
    legend: { show: lines.length > 1, live: false },
    scales: { y: { range: (plot, low, high) => [Math.min(0, low ?? 0), (high ?? 0) > 0 ? high * 1.1 : 1] } },
    axes: [
      { ...axis, values: (plot, splits) => splits.map((at) => new Date(at * 1000).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", hour12: false })) },
      { ...axis, size: 64, values: (plot, splits) => splits.map((value) => (value === null ? "" : format(value))) },
    ],
    series: [{}, ...lines.map((line) => ({ label: line.label, stroke: colour(line.colour), width: 1.5, points: { show: false }, spanGaps: false, value: (plot, value) => format(value) }))],
  };
}
