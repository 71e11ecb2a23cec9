// What came of a CALL: the answer, or why there is none; of several charge points, a table.
import { html, useEffect, useState } from "../../lib/ui.js";
import { Badge, Prose, Section, Time } from "../../lib/widgets.js";
import { Code } from "../../lib/code.js";
import { clock, count, pretty, seconds, sentence } from "../../lib/format.js";
import { repeat } from "../../lib/poll.js";
import { href } from "../../lib/router.js";
import { summary } from "../messages/filter.js";
import { statusOf, statusText, answerTone } from "../messages/status.js";
import { isDisconnect, outcomeOf, summaryOf } from "./outcome.js";
import { run } from "./run.js";
import { readRows } from "./targets.js";

/** Milliseconds between looks whether charge points that have left are back. */
const BACK_EVERY = 2000;

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

/** Looks for the charge points that have left because of their CALL, until they are back. */
function useReturns(now) {
  const away = (now?.results ?? []).filter(({ state, backAt }) => state === "left" && !backAt).map(({ id }) => id);
  useEffect(() => {
    if (!away.length) return;
    const stop = new AbortController();
    const look = async () => {
      const rows = await readRows(away, stop.signal).catch(() => null);
      if (stop.signal.aborted) return;
      for (const [id, row] of rows ?? []) if (row?.connected) run.value?.cameBack(id, row.connected_since);
    };
    // Not at once: it may be listed as connected for a moment.
    const end = repeat(look, BACK_EVERY);
    return () => {
      end();
      stop.abort();
    };
  }, [away.join("\n")]);
}

export function Results() {
  const now = useRun();
  useReturns(now);
  if (!now) return html`<${Section} title="Result"><p class="empty">The answer of the charge point appears here.</p></${Section}>`;
  const stop = now.running && html`<button type="button" onClick=${now.stop}>Stop</button>`;
  const title = now.results.length === 1 ? `${now.action}: result` : `${now.action}: results`;
  return html`<${Section} title=${title} actions=${stop}>
    ${now.results.length === 1 ? html`<${One} result=${now.results[0]} action=${now.action} />` : html`<${Several} now=${now} />`}
  </${Section}>`;
}

function One({ result, action }) {
  return html`<p class="result-line"><a href=${href(["charge-points", result.id])}>${result.id}</a> <${State} result=${result} />
      <span class="soft">${result.took !== undefined && `after ${seconds(result.took)}`}</span></p>
    <${Detail} result=${result} action=${action} />`;
}

function Detail({ result, action }) {
  if (result.state === "answered") return html`<${Code} text=${pretty(JSON.stringify(result.answer))} label="Answer" />`;
  if (result.state === "stopped") return html`<p
    class="soft">${result.sent ? "You stopped waiting. The charge point may have got the CALL." : "Not sent."}</p>`;
  if (result.state === "left") return html`<${Left} result=${result} action=${action} />`;
  if (result.state !== "failed") return html`<p class="soft">Waiting for the answer…</p>`;
  const { status, message, body } = result.error;
  const details = body?.call_error?.details;
  const what = body?.call_error ? sentence(message) : `${status ? `${status}: ` : ""}${message}`;
  return html`<p class="notice bad"><span><${Prose} text=${what} /></span></p>
    ${advice(result.error) && html`<p class="soft">${advice(result.error)}</p>`}
    ${details && JSON.stringify(details) !== "{}" && html`<${Code} text=${pretty(JSON.stringify(details))}
      label="Details of the CALLERROR" />`}`;
}

/** It disconnected because of what it was asked for: no fault, unless it stays away. */
function Left({ result: { leftAt, backAt }, action }) {
  if (backAt) return html`<p class="notice ok"><span>It disconnected before it answered, as expected of ${action}. It is back since <${Time}
    value=${backAt} />.</span></p>`;
  return html`<p class="notice info" role="status"><span>It disconnected before it answered, as expected of ${action}: <${Time}
    value=${leftAt} relative />. This page says when it is back.</span></p>`;
}

function advice(error) {
  if (isDisconnect(error)) return "Its page says why. Whether it did what the CALL asks for is not known.";
  return {
    403: "The token may look, not change.",
    404: "The charge point is not connected. Its page says why.",
    429: "Too many messages wait for it. Try again when its queue is shorter.",
    504: "It is connected, but did not answer in time (call_timeout). Look at its messages.",
  }[error.status];
}

const STATES = {
  waiting: ["none", "waits"],
  sent: ["info", "sent…"],
  answered: ["ok", "answered"],
  left: ["info", "disconnected, as expected"],
  none: ["bad", "no answer"],
  error: ["bad", "CALLERROR"],
  stopped: ["warn", "stopped"],
};

function State({ result }) {
  const status = result.state === "answered" ? statusOf(result.answer) : null;
  if (status) return html`<${Badge} tone=${answerTone(status)}>${statusText(result.answer)}</${Badge}>`;
  if (result.backAt) return html`<${Badge} tone="ok">disconnected, and back</${Badge}>`;
  const [tone, text] = STATES[outcomeOf(result)];
  return html`<${Badge} tone=${tone}>${result.error?.body?.call_error?.code || text}</${Badge}>`;
}

function Several({ now }) {
  const [unfolded, setUnfolded] = useState(null);
  const { done, text } = summaryOf(now.results, count);
  return html`<p role="status">${text}</p>
    <progress max=${now.results.length} value=${done} aria-label="CALLs that are done"></progress>
    <div class="results-scroll" tabindex="0" role="region" aria-label="Results"><table class="results">
      <thead><tr><th>Charge point</th><th>Result</th><th>Answer</th><th class="numeric">After</th></tr></thead>
      <tbody>${now.results.map((result) => html`<${ResultRow} key=${result.id} result=${result} action=${now.action}
        unfolded=${unfolded === result.id}
        toggle=${() => setUnfolded(unfolded === result.id ? null : result.id)} />`)}</tbody>
    </table></div>`;
}

function shortText({ state, answer, error, backAt }) {
  if (state === "answered") return summary(answer);
  if (state === "left") return backAt ? `back since ${clock(backAt)}` : "not back yet";
  return state === "failed" ? error.message : "";
}

function ResultRow({ result, action, unfolded, toggle }) {
  const short = shortText(result);
  return html`<tr>
      <td><a href=${href(["charge-points", result.id])}>${result.id}</a></td>
      <td><${State} result=${result} /></td>
      <td class="short"><button type="button" class="link" disabled=${!short} aria-expanded=${unfolded}
        aria-label=${`Answer of ${result.id}`} onClick=${toggle}>${short || "…"}</button></td>
      <td class="numeric">${result.took === undefined ? "" : seconds(result.took)}</td>
    </tr>
    ${unfolded && html`<tr><td colspan="4"><${Detail} result=${result} action=${action} /></td></tr>`}`;
}
