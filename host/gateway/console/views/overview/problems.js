// What is wrong, in words, with the way to it.
import { html, useState } from "../../lib/ui.js";
import { href } from "../../lib/router.js";
import { showPart } from "../../lib/part.js";
import { Badge, Failure, Prose, Time } from "../../lib/widgets.js";

/** So many problems are shown before "Show all". */
const FIRST = 8;

const TRANSFORMS = [["transforms"], {}, "Open the transforms"];
/** By kind: path, query and text of the link; `part`: it is on this page. */
const WAYS = {
  transform: (name) => (name ? [["transforms", name], {}, `Open the transform ${name}`] : TRANSFORMS),
  trial: (name) => (name ? [["transforms", name], { tab: "trial" }, `Open the trial of ${name}`] : TRANSFORMS),
  drop_in: () => [["transforms"], {}, "Open the drop-ins"],
  refusals: () => [["charge-points"], { state: "refused" }, "Show who was refused"],
  connector: () => [["charge-points"], { status: "Faulted" }, "Show the faulted"],
  back_end: () => [["events"], { event: "incident" }, "Show the incidents"],
  certificate: () => [["settings"], { part: "certificates" }, "Show the certificates"],
  limit: () => [["settings"], { part: "limits" }, "Show the limits"],
  broker: () => [[], { part: "broker" }, "Show the broker"],
  backlog: () => [[], { part: "broker" }, "Show the backlog"],
  memory: () => [[], { part: "memory" }, "Show the memory"],
  gateway: () => [["events"], {}, "Show the events"],
};

/** `problems`: as in `/api/v1/problems`, worst first; undefined: not known. */
export function Problems({ problems, error, retry }) {
  const [all, setAll] = useState(false);
  if (!problems) return html`<${Failure} error=${error} retry=${retry} />`;
  const shown = all ? problems : problems.slice(0, FIRST);
  return html`<section class="problems" aria-label="What is wrong" aria-live="polite">
    ${problems.length === 0
      ? html`<p class="well"><span class="well-mark" aria-hidden="true">✓</span> All is well.</p>`
      : html`<ul>${shown.map((problem) => html`<${Problem} key=${keyOf(problem)} problem=${problem} />`)}</ul>`}
    ${shown.length < problems.length &&
      html`<button type="button" class="link" onClick=${() => setAll(true)}>Show all ${problems.length} problems</button>`}
  </section>`;
}

function keyOf({ kind, subject, severity, since, text }) {
  return subject ? `${kind} ${subject} ${severity} ${since}` : `${kind} ${text}`;
}

function Problem({ problem }) {
  const { severity, kind, subject, text, since } = problem;
  const [path, query, words] = WAYS[kind]?.(subject) ?? [];
  const bad = severity === "error";
  // A link to the part that the URL names already changes nothing in the URL.
  const again = () => query.part && showPart(query.part);
  return html`<li class=${bad ? "bad" : "warn"}>
    <${Badge} tone=${bad ? "bad" : "warn"}>${bad ? "Error" : "Warning"}<//>
    <p><${Prose} text=${text} />${since && html` <small>Since <${Time} value=${since} relative /></small>`}</p>
    ${path && html`<a class="button" href=${href(path, query)} onClick=${again}>${words}</a>`}
  </li>`;
}
