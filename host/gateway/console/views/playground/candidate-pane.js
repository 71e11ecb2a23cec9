// The candidate: nothing, a new jq program, or another version of a running transform.
import { html } from "../../lib/ui.js";
import { Editor } from "../../lib/code.js";
import { useMe } from "../../lib/poll.js";
import { confirmed, Field, Section } from "../../lib/widgets.js";
import { Position } from "../transforms/position.js";
import { usesProgram } from "../transforms/version.js";
import { EXAMPLES } from "./examples.js";
import { SAMPLES } from "./samples.js";
import { withDraft, withExample } from "./state.js";

/** `live`, `edited`: the running version and the draft; `marks`: `{program, settings}`; `names`: of all running transforms. */
export function CandidatePane({ state, change, transforms, live, edited, marks, children }) {
  const { may_change: mayChange } = useMe();
  const isNone = state.candidate === "none";
  const choose = html`<select aria-label="Candidate" value=${state.candidate} disabled=${!mayChange}
    onChange=${(event) => change({ candidate: event.target.value })}>
    <option value="none">None: what runs now</option>
    <option value="new">A new jq program</option>
    <optgroup label="In the place of a running transform">
      ${transforms.map(({ name, component }) => html`<option key=${name} value=${`in:${name}`}>${name} (${component})</option>`)}
    </optgroup>
  </select>`;
  return html`<${Section} title="Candidate" actions=${choose} class="panel play-candidate">
    ${!mayChange && html`<p class="hint">The viewer token tries messages with what runs now.</p>`}
    ${mayChange && isNone && html`<p class="empty">The message passes the transforms that run. Choose a candidate to try a change.</p>`}
    ${state.candidate === "new" && html`<${NewFields} state=${state} change=${change} transforms=${transforms} />`}
    ${edited && !isNone && html`<${Editors} state=${state} change=${change} live=${live} edited=${edited} marks=${marks} />`}
    ${edited && !isNone && children}
  </${Section}>`;
}

function NewFields({ state, change, transforms }) {
  const takes = async (name) => {
    const sample = SAMPLES.find((one) => one.name === name);
    const isKnown = !state.fresh.program.trim() || SAMPLES.some(({ program }) => program === state.fresh.program);
    const question = { title: "Replace your program?", text: "The sample takes the place of what you have typed.", action: "Replace it" };
    if (!sample || !(isKnown || (await confirmed(question)))) return;
    // Its message comes with it, unless there is one of yours.
    const isExample = EXAMPLES.some(({ items }) => items.some(({ key }) => key === state.example));
    change({ fresh: { ...state.fresh, program: sample.program }, ...(isExample && withExample(state, sample.example)) });
  };
  const sample = SAMPLES.find(({ program }) => program === state.fresh.program)?.name ?? "";
  const isTaken = transforms.some(({ name }) => name === state.name);
  return html`<div class="play-new">
    <${Field} label="Sample">
      <select value=${sample} onChange=${(event) => takes(event.target.value)}>
        <option value="">Start from a sample…</option>
        ${SAMPLES.map(({ name }) => html`<option key=${name} value=${name}>${name}</option>`)}
      </select>
    </${Field}>
    <${Field} label="Name" fault=${isTaken && "A transform of this name runs: choose another name, or choose it as the candidate above."}>
      <input value=${state.name} spellcheck=${false} onInput=${(event) => change({ name: event.target.value.trim() }, { typed: true })} />
    </${Field}>
    <${Field} label="Position">
      <${Position} value=${state.before} transforms=${transforms} onChange=${(before) => change({ before })} />
    </${Field}>
  </div>`;
}

function Editors({ state, change, live, edited, marks }) {
  const typed = (part) => change(withDraft(state, live, part), { typed: true });
  const hasProgram = usesProgram(live, edited);
  const settings = html`<${Editor} label="Settings as JSON" rows=${hasProgram ? 7 : 16} value=${edited.text} mark=${marks.settings}
      onInput=${(text) => typed({ text })} />
    <small class="hint">The keys config, match, on_error and limits: {"match": {"charge_points": ["ACME-*"]}}</small>`;
  return html`${hasProgram && html`<div class="field">
      <span class="label" aria-hidden="true">Program</span>
      <${Editor} label="Program in jq" language="jq" rows=${14} value=${edited.program} mark=${marks.program}
        onInput=${(program) => typed({ program })} />
      ${live?.programFile && html`<small class="hint">The file ${live.programFile} runs. Type the whole program in its place.</small>`}
    </div>`}
    ${hasProgram
      ? html`<details class="play-more" open=${Boolean(marks.settings) || undefined}><summary>Settings</summary>${settings}</details>`
      : html`<div class="field"><span class="label" aria-hidden="true">Settings</span>${settings}</div>`}`;
}
