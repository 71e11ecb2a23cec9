// What the gateway makes of the message, and how it differs from what it makes of it now.
import { html, useMemo, useRef } from "../../lib/ui.js";
import { Diff } from "../../lib/diff.js";
import { count, pretty } from "../../lib/format.js";
import { setQuery } from "../../lib/router.js";
import { actionText, contentText, FailureText, Trace } from "../../lib/trace.js";
import { Badge, Section, Tabs } from "../../lib/widgets.js";

const VIEWS = [["trace", "Trace"], ["difference", "Difference from now"]];

const SAMPLE = /fails on a sample message/;

/**
 * `tried`, `now`: what `useTry` returns with the candidate, and without (null: there is no candidate). `candidate`: its name. `problem`:
 * what is missing. `isFaulty`: something is marked in another pane.
 */
export function ResultPane({ tried, now, problem, isFaulty, candidate, show = "trace" }) {
  const shownAs = now && show === "difference" ? "difference" : "trace";
  const isOld = isFaulty || tried.error || problem;
  const isUncalled = candidate && tried.isCurrent && tried.answer && !tried.answer.steps.some(({ transform }) => transform === candidate);
  const state = html`<${State} tried=${tried} now=${now} isOld=${isOld} isFaulty=${isFaulty} />`;
  const turn = (key) => setQuery({ show: key === "trace" ? "" : key });
  return html`<${Section} title="Result" actions=${state} class="panel play-result">
    ${now && html`<${Tabs} label="Result" items=${VIEWS} value=${shownAs} onChange=${turn} />`}
    ${problem && html`<div class="notice info"><p>${problem}</p></div>`}
    ${tried.error && !isFaulty && html`<div class="notice bad" role="alert"><div>
      <${FailureText} text=${tried.error.message} />
      ${SAMPLE.test(tried.error.message) && html`<p>Each hook is tried on ordinary messages first: let those pass that it is not for.</p>`}
    </div></div>`}
    ${isUncalled && html`<p class="hint">${candidate} is not called for this message: look at its hooks and at match.</p>`}
    ${tried.answer
      ? html`<div class=${isOld ? "play-old" : ""}>
          ${shownAs === "trace" && html`<${Trace} trace=${tried.answer} />`}
          ${shownAs === "difference" && html`<${Difference} answer=${tried.answer} now=${now.answer} />`}
        </div>`
      : html`<p class="empty">${tried.pending ? "Trying…" : "The result stands here as soon as the message can be tried."}</p>`}
  </${Section}>`;
}

function State({ tried, now, isOld, isFaulty }) {
  // What was said last stays while another message is tried, so that nothing flickers while you type.
  const said = useRef(null);
  const isSettled = tried.isCurrent && now?.isCurrent && tried.answer && now.answer;
  const isSame = useMemo(() => isSettled && outcomeText(tried.answer) === outcomeText(now.answer), [isSettled, tried.answer, now?.answer]);
  if (isSettled) said.current = isSame ? "as now" : "differs from now";
  return html`<span class="play-state" role="status">
    ${isFaulty && html`<${Badge} tone="bad">correct what is marked</${Badge}>`}
    ${now && !isOld && said.current && html`<${Badge} tone=${said.current === "as now" ? "none" : "info"}>${said.current}</${Badge}>`}
    <small>${tried.pending ? "trying…" : tried.answer && !isOld ? `${count(Math.round(tried.millis))} ms` : ""}</small>
  </span>`;
}

function Difference({ answer, now }) {
  if (!now) return html`<p class="empty">Trying what runs now…</p>`;
  const [before, after] = [outcomeText(now), outcomeText(answer)];
  if (before === after) return html`<p class="empty">What is published, sent and answered is the same as now.</p>`;
  return html`<${Diff} before=${before} after=${after} label="Difference from what runs now" whole />`;
}

/** What becomes of a message, as a text that can be compared. */
function outcomeText({ published, sent, answer, not_mapped: notMapped, incidents }) {
  return [
    ...published.map((message) => `Published: ${contentText({ message })}`),
    ...sent.map((frame) => `Sent to the charge point\n${pretty(frame)}`),
    ...(answer ? [`The sender gets as its answer: ${actionText(answer)}`] : []),
    ...(notMapped ? [`Not mapped: ${notMapped}`] : []),
    // Without the stack, which differs for each version.
    ...incidents.map((incident) => `Incident: ${incident.split("\n")[0]}`),
  ].join("\n\n");
}
