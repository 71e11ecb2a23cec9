// The fields of a new version: where the component comes from, the program, the settings.
import { html } from "../../lib/ui.js";
import { Editor } from "../../lib/code.js";
import { Field } from "../../lib/widgets.js";
import { secondProgram, usesProgram } from "./version.js";

/** `builtin:` components that are no mapping and need no build. */
const READY_MADE = ["standard", "topic-router", "redact", "meter-values", "local-heartbeat", "flat-telemetry", "jq", "legacy-topics"];

/**
 * `live`: the running version as `editable` gives it; null for a new transform. `value`: a draft (see version.js); `onChange(part)`.
 * `marks`: `{program, settings}`, places of faults.
 */
export function VersionForm({ live, value, onChange, marks = {}, rows = 14 }) {
  const sources = [
    live && ["keep", live.component ? `as it is: ${live.component}` : "as it is"],
    !live?.isJq && ["jq", "a jq program"],
    ["file", "a file (.wasm or .jq)"],
    ["named", "a ready-made one, or an address"],
  ].filter(Boolean);
  return html`<div class="version-form">
    <${Field} label="Component">
      <select value=${value.source} onChange=${(event) => onChange({ source: event.target.value })}>
        ${sources.map(([key, text]) => html`<option key=${key} value=${key}>${text}</option>`)}
      </select>
    </${Field}>
    ${value.source === "file" && html`<${FileField} value=${value} onChange=${onChange} live=${live} />`}
    ${value.source === "named" && html`<${Field} label="Name or address" hint="builtin:NAME, https://… or oci://…">
      <input list="ready-made" value=${value.named} placeholder="builtin:local-heartbeat" spellcheck=${false}
        onInput=${(event) => onChange({ named: event.target.value })} />
    </${Field}>`}
    <datalist id="ready-made">${READY_MADE.map((name) => html`<option key=${name} value=${`builtin:${name}`} />`)}</datalist>
    ${usesProgram(live, value) && html`<div class="field">
      <span class="label" aria-hidden="true">Program</span>
      <${Editor} label="Program in jq" language="jq" rows=${rows} value=${value.program} mark=${marks.program}
        onInput=${(program) => onChange({ program })} />
      ${live?.programFile && html`<small class="hint">The file ${live.programFile} runs. A program that you type takes its place.</small>`}
    </div>`}
    <div class="field">
      <span class="label" aria-hidden="true">Settings</span>
      <${Editor} label="Settings as JSON" rows=${usesProgram(live, value) ? 8 : rows} value=${value.text}
        mark=${marks.settings ?? secondProgram(live, value)}
        onInput=${(text) => onChange({ text })} />
      <small class="hint">The keys config, match, on_error and limits. A key that you remove returns to what the configuration says.</small>
    </div>
  </div>`;
}

/** A component, or a jq program, which can be edited once it is read. */
function FileField({ value, onChange, live }) {
  const chosen = async (event) => {
    const [file] = event.target.files;
    if (!file?.name.endsWith(".jq")) return onChange({ file: file ?? null });
    onChange({ source: live?.isJq ? "keep" : "jq", program: await file.text(), file: null });
  };
  const hint = value.file ? `${value.file.name}, ${value.file.size} bytes` : "A component has at most 64 MiB.";
  return html`<${Field} label="File" hint=${hint}>
    <input type="file" accept=".wasm,.jq,application/wasm" onChange=${chosen} />
  </${Field}>`;
}
