// Starts a trial.
import { html, useState } from "../../lib/ui.js";
import { request } from "../../lib/api.js";
import { confirmed, Field, note, Prose, Section } from "../../lib/widgets.js";
import { dryRun, transformPath } from "./changes.js";
import { bodyOf, editable } from "./version.js";
import { VersionEditor } from "./version-editor.js";

const MODES = [
  ["shadow", "Shadow", "The candidate sees copies of the messages. What it does is compared, and has no effect."],
  ["canary", "Canary", "The candidate serves the charge points that take part."],
];

export function StartTrial({ name, details, onStart }) {
  const [options, set] = useState({ mode: "shadow", percent: "", chargePoints: "" });
  const { mode, percent, chargePoints } = options;
  const live = editable(details);
  const target = ({ settings, file, fewerHooks }) => {
    if (mode === "canary" && !percent && !chargePoints) throw new Error("Say which charge points take part: a share, a pattern, or both.");
    const query = { mode, percent, charge_points: chargePoints, ...(fewerHooks && { allow_fewer_hooks: true }) };
    return { path: transformPath(name, "trial"), method: "POST", query, body: bodyOf({ settings, file }) };
  };
  const check = async (version) => {
    const answer = await dryRun(target(version));
    return html`<div class="notice ok" role="status"><p><${WouldStart} answer=${answer} /></p></div>`;
  };
  const send = async (version) => {
    const wanted = target(version);
    const text = html`<${WouldStart} answer=${await dryRun(wanted)} />`;
    if (!(await confirmed({ title: `Start a ${mode} of ${name}?`, text, action: "Start" }))) return false;
    await request(wanted.path, wanted);
    note(`The ${mode} of ${name} runs.`);
    onStart();
    return true;
  };
  return html`<${Section} title="Start a trial">
    <${VersionEditor} name=${name} live=${live} check=${check} send=${send} sends="Start…">
      <${Options} options=${options} onChange=${(part) => set({ ...options, ...part })} />
    </${VersionEditor}>
  </${Section}>`;
}

function Options({ options: { mode, percent, chargePoints }, onChange }) {
  return html`<fieldset class="modes">
      <legend class="visually-hidden">Mode</legend>
      ${MODES.map(([key, text, hint]) => html`<label key=${key} class="mode">
        <input type="radio" name="mode" value=${key} checked=${mode === key} onChange=${() => onChange({ mode: key })} />
        <span><strong>${text}</strong><small>${hint}</small></span>
      </label>`)}
    </fieldset>
    <div class="form-row">
      <${Field} label="Share in percent" hint=${mode === "canary" ? "1 to 99" : "1 to 100; none: all"}>
        <input type="number" min="1" max=${mode === "canary" ? 99 : 100} value=${percent}
          onInput=${(event) => onChange({ percent: event.target.value })} />
      </${Field}>
      <${Field} label="Charge points" hint="A pattern: * stands for any text, ? for one character">
        <input value=${chargePoints} placeholder="ACME-*" spellcheck=${false}
          onInput=${(event) => onChange({ chargePoints: event.target.value })} />
      </${Field}>
    </div>`;
}

function WouldStart({ answer: { connected, selected, warnings } }) {
  return html`<span class="line">It loads, and passes its samples. ${selected} of ${connected} connected charge points take part.</span>
    ${warnings.map((warning) => html`<span class="line" key=${warning}>Warning: <${Prose} text=${warning} /></span>`)}`;
}
