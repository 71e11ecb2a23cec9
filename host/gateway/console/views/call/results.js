// What came of a CALL: the answer, or why there is none; of several charge points, a table.
import { html, useEffect, useState } from "../../lib/ui.js";
import { Badge, Section } from "../../lib/widgets.js";
import { Code } from "../../lib/code.js";
import { count, pretty, seconds } from "../../lib/format.js";
import { href } from "../../lib/router.js";
import { summary } from "../messages/filter.js";
import { statusOf, statusText, answerTone } from "../messages/status.js";
import { run } from "./run.js";

/** The run as it is, drawn at most once in a frame: answers may come much faster. */
function useRun() {
  const [now, set] = useState(run.value);
  useEffect(() => {
    let frame = null;
    set(run.value);
    const done = run.subscribe(() => {
      frame ??= requestAnimationFrame(() => {
        frame = null;
        set(run.value);
      });
    });
    return () => {
      done();
      cancelAnimationFrame(frame);
    };
  }, []);
  return now;
}

export function Results() {
  const now = useRun();
  if (!now) return html`<${Section} title="Result"><p class="empty">The answer of the charge point appears here.</p></${Section}>`;
  const stop = now.running && html`<button type="button" onClick=${now.stop}>Stop</button>`;
  const title = now.results.length === 1 ? `${now.action}: result` : `${now.action}: results`;
  return html`<${Section} title=${title} actions=${stop}>
    ${now.results.length === 1 ? html`<${One} result=${now.results[0]} />` : html`<${Several} now=${now} />`}
  </${Section}>`;
}

function One({ result }) {
  return html`<p class="result-line"><a href=${href(["charge-points", result.id])}>${result.id}</a> <${State} result=${result} />
      <span class="soft">${result.took !== undefined && `after ${seconds(result.took)}`}</span></p>
    <${Detail} result=${result} />`;
}

function Detail({ result }) {
  if (result.state === "answered") return html`<${Code} text=${pretty(JSON.stringify(result.answer))} label="Answer" />`;
  if (result.state === "stopped") return html`<p
    class="soft">${result.sent ? "You stopped waiting. The charge point may have got the CALL." : "Not sent."}</p>`;
  if (result.state !== "failed") return html`<p class="soft">Waiting for the answer…</p>`;
  const { status, message, body } = result.error;
  const details = body?.call_error?.details;
  return html`<p class="notice bad"><span>${status ? `${status}: ` : ""}${message}</span></p>
    ${advice(status) && html`<p class="soft">${advice(status)}</p>`}
    ${details && JSON.stringify(details) !== "{}" && html`<${Code} text=${pretty(JSON.stringify(details))}
      label="Details of the CALLERROR" />`}`;
}

function advice(status) {
  return {
    403: "The token may look, not change.",
    404: "The charge point is not connected. Its page says why.",
    429: "Too many messages wait for it. Try again when its queue is shorter.",
    504: "It is connected, but did not answer in time (call_timeout). Look at its messages.",
  }[status];
}

const STATES = {
  waiting: ["none", "waits"],
  sent: ["info", "sent…"],
  answered: ["ok", "answered"],
  failed: ["bad", "no result"],
  stopped: ["warn", "stopped"],
};

function State({ result }) {
  const [tone, text] = STATES[result.state];
  const status = result.state === "answered" ? statusOf(result.answer) : null;
  if (status) return html`<${Badge} tone=${answerTone(status)}>${statusText(result.answer)}</${Badge}>`;
  const code = result.error?.body?.call_error?.code;
  return html`<${Badge} tone=${tone}>${code || text}</${Badge}>`;
}

function Several({ now }) {
  const [unfolded, setUnfolded] = useState(null);
  const number = (state) => now.results.filter((result) => result.state === state).length;
  const done = now.results.length - number("waiting") - number("sent");
  const parts = [
    `${count(done)} of ${count(now.results.length)} done`,
    `${count(number("answered"))} answered`,
    `${count(number("failed"))} without a result`,
  ];
  if (number("stopped")) parts.push(`${count(number("stopped"))} stopped`);
  return html`<p role="status">${parts.join(" · ")}</p>
    <progress max=${now.results.length} value=${done} aria-label="CALLs that are done"></progress>
    <div class="results-scroll" tabindex="0" role="region" aria-label="Results"><table class="results">
      <thead><tr><th>Charge point</th><th>Result</th><th>Answer</th><th class="numeric">After</th></tr></thead>
      <tbody>${now.results.map((result) => html`<${ResultRow} key=${result.id} result=${result} unfolded=${unfolded === result.id}
        toggle=${() => setUnfolded(unfolded === result.id ? null : result.id)} />`)}</tbody>
    </table></div>`;
}

function ResultRow({ result, unfolded, toggle }) {
  const short = result.state === "answered" ? summary(result.answer) : result.state === "failed" ? result.error.message : "";
  return html`<tr>
      <td><a href=${href(["charge-points", result.id])}>${result.id}</a></td>
      <td><${State} result=${result} /></td>
      <td class="short"><button type="button" class="link" disabled=${!short} aria-expanded=${unfolded}
        aria-label=${`Answer of ${result.id}`} onClick=${toggle}>${short || "…"}</button></td>
      <td class="numeric">${result.took === undefined ? "" : seconds(result.took)}</td>
    </tr>
    ${unfolded && html`<tr><td colspan="4"><${Detail} result=${result} /></td></tr>`}`;
}
