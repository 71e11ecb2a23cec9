// The figures of a trial.
import { html } from "../../lib/ui.js";
import { ScrollX } from "../../lib/widgets.js";
import { count, seconds } from "../../lib/format.js";
import { Figures } from "./figures.js";

const micros = (value) => seconds(value === null ? null : value / 1e6);

export function ShadowFigures({ shadow }) {
  const { messages, equal, different, failed, skipped, live_us: live, candidate_us: candidate } = shadow;
  const figures = [
    ["Compared", count(messages)],
    ["Equal", count(equal)],
    ["Different", count(different), different > 0 && "warn"],
    ["Failed", count(failed), failed > 0 && "bad"],
    ["Not shown", count(skipped), skipped > 0 && "warn"],
    ["Time per call", html`${micros(candidate)}<small>live: ${micros(live)}</small>`],
  ];
  return html`<${Figures} figures=${figures} />`;
}

const millis = (value) => seconds(value === undefined ? null : value / 1e3);

/** `[what, value(figures)]` */
const ROWS = [
  ["Charge points", (it) => count(it.charge_points)],
  ["Calls of the transform", (it) => count(it.calls)],
  ["Failed calls", (it) => count(it.failures)],
  ["Time per call", (it) => micros(it.call_us)],
  ["CALLs answered", (it) => count(it.answered)],
  ["CALLs answered with an error", (it) => count(it.errors)],
  ["CALLs not answered", (it) => count(it.unanswered)],
  ["Time until the answer, p50", (it) => millis(it.answer_ms?.p50)],
  ["Time until the answer, p99", (it) => millis(it.answer_ms?.p99)],
  ["Incidents", (it) => count(it.incidents)],
];

export function CanaryFigures({ canary: { candidate, others } }) {
  return html`<${ScrollX} label="Figures of live version and candidate"><table class="canary">
    <thead><tr>
      <th scope="col">Since the start</th><th scope="col" class="numeric">Candidate</th><th scope="col" class="numeric">All others</th>
    </tr></thead>
    <tbody>${ROWS.map(([what, value]) => html`<tr key=${what}>
      <th scope="row">${what}</th><td class="numeric">${value(candidate)}</td><td class="numeric">${value(others)}</td>
    </tr>`)}</tbody>
  </table><//>`;
}
