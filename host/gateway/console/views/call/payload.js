// The payload of a CALL: as a form, or as JSON. Both show the same value.
import { html } from "../../lib/ui.js";
import { Failure, Tabs } from "../../lib/widgets.js";
import { Editor } from "../../lib/code.js";
import { faults, initial, payloadFault } from "./schema.js";
import { SchemaForm } from "./form.js";

/**
 * Drafts: `{value, text, mode: "form" | "json"}`. `text` is what is sent; `value` is what the form shows: what the text said when it could
 * last be read.
 */
export function newDraft(schema) {
  return draftOf(schema ? initial(schema, schema) : {}, schema ? "form" : "json");
}

export function draftOf(value, mode) {
  return { value, text: JSON.stringify(value, null, 2), mode };
}

/** A draft from JSON text, as it was sent before. */
export function draftFrom(text, mode = "form") {
  return payloadFault(text) ? { value: {}, text, mode: "json" } : { value: JSON.parse(text), text, mode };
}

/** What is wrong with a draft: `{json: fault of the text | null, schema: Map}`. */
export function faultsOf(draft, schema, { missing }) {
  const json = payloadFault(draft.text);
  const value = draft.mode === "form" || json ? draft.value : JSON.parse(draft.text);
  return { json: draft.mode === "form" ? null : json, schema: schema ? faults(schema, schema, value, { missing }) : new Map() };
}

/** `schema` null: none is published for the action. `attempted`: also say what is not entered yet. */
export function Payload({ schema, schemaError, retry, draft, setDraft, attempted }) {
  const found = faultsOf(draft, schema, { missing: attempted || draft.mode === "json" });
  const show = (mode) => setDraft({ ...draft, mode });
  const edited = (text) => setDraft(payloadFault(text) ? { ...draft, text } : { ...draft, text, value: JSON.parse(text) });
  const items = [["form", "Form"], ["json", "JSON"]];
  return html`<${Failure} error=${schemaError} retry=${retry} />
    ${schema && html`<${Tabs} label="How to enter the payload" items=${items} value=${draft.mode} onChange=${show} />`}
    ${draft.mode === "form" && schema
      ? html`${payloadFault(draft.text) && html`<p
        class="notice warn"><span>The JSON cannot be read. The form shows what it said before; a change here replaces it.</span></p>`}
        <${SchemaForm} schema=${schema} root=${schema} value=${draft.value} onChange=${(value) => setDraft(draftOf(value, "form"))}
          faults=${found.schema} />`
      : html`<${Editor} value=${draft.text} onInput=${edited} label="Payload as JSON" rows=${14} mark=${found.json} />
        <${SchemaFaults} faults=${found.json ? new Map() : found.schema} />`}`;
}

function SchemaFaults({ faults: found }) {
  if (!found.size) return null;
  return html`<div class="notice warn schema-faults" role="status"><div>
    <p>The payload does not match the published schema. You can send it all the same.</p>
    <ul>${[...found].map(([path, text]) => html`<li key=${path}><code>${path || "/"}</code> ${text}</li>`)}</ul>
  </div></div>`;
}
