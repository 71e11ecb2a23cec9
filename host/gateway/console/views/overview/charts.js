// The charts of the last hour. All have the same time axis, and show the same time under the pointer.
import { html } from "../../lib/ui.js";
import { BINARY_STEPS, Chart, WHOLE_STEPS } from "../../lib/chart.js";
import { bytes, count, perSecond, percent, seconds } from "../../lib/format.js";

function answers(from) {
  return [["median", `answer_p50_${from}`, "--chart-1"], ["99 % within", `answer_p99_${from}`, "--chart-2"]];
}

/** `[title, format, [[label, series, colour], …], more]`; `more`: `part`, by which links name it, and `steps` of its axis. */
export const CHARTS = [
  ["Charge points", count, [["on line", "charge_points", "--chart-1"]], { steps: WHOLE_STEPS }],
  ["Messages", perSecond, [
    ["from charge points", "messages_from_charge_points", "--chart-1"],
    ["to them", "messages_to_charge_points", "--chart-2"],
  ]],
  ["Errors", perSecond, [
    ["CALLs", "errors", "--chart-2"],
    ["incidents", "incidents", "--chart-3"],
    ["transforms", "transform_failures", "--chart-4"],
  ]],
  ["Back ends answer in", seconds, answers("from_charge_points")],
  ["Charge points answer in", seconds, answers("to_charge_points")],
  ["Connections", perSecond, [
    ["opened", "connected", "--chart-1"],
    ["ended", "disconnected", "--chart-3"],
    ["refused", "refused", "--chart-2"],
  ]],
  ["Broker", count, [["in flight", "in_flight", "--chart-1"], ["backlog", "backlog", "--chart-2"]], { part: "broker", steps: WHOLE_STEPS }],
  ["Memory", bytes, [["resident", "memory", "--chart-1"]], { part: "memory", steps: BINARY_STEPS }],
  ["CPU", percent, [["of one core", "cpu", "--chart-1"]]],
];

/** Seconds that the time axis may show. */
const SPANS = [600, 1800, 3600];

/** The shortest axis that has room for all steps: right after the start of the gateway, an hour would be empty. */
function spanOf(times) {
  const covered = times.length ? times.at(-1) - times[0] : Infinity;
  return SPANS.find((span) => covered < span) ?? SPANS.at(-1);
}

export function Charts({ figures: { times, series } }) {
  const away = (at) => series.broker_connected?.[at] === 0;
  const wasAway = series.broker_connected?.includes(0);
  return html`<div class="charts">
      ${CHARTS.map(([title, format, lines, { part, steps } = {}]) => html`<div key=${title}
          id=${part && `part-${part}`} tabindex=${part && "-1"}>
        <${Chart} title=${title} span=${spanOf(times)} times=${times} format=${format} steps=${steps} shaded=${away}
          lines=${lines.map(([label, name, colour]) => ({ label, colour, values: series[name] ?? [] }))} />
      </div>`)}
    </div>
    <p class="chart-note soft">${wasAway ? html`<span class="shade-mark" aria-hidden="true"></span> The broker was away.` : "\u00a0"}</p>`;
}
