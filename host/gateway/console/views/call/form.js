// A form made from a schema. Every part gets its value and says what it becomes; undefined: not entered yet.
import { html, useEffect, useState } from "../../lib/ui.js";
import { Field } from "../../lib/widgets.js";
import { describe, initial, kindOf, members, resolve } from "./schema.js";

/** `root`: the whole schema, where `$ref` points to. `faults`: a Map from places to texts. */
export function SchemaForm({ schema, root, value, onChange, faults }) {
  return html`<div class="schema-form"><${Members} schema=${schema} root=${root} value=${value ?? {}} onChange=${onChange} faults=${faults}
    path="" /></div>`;
}

function Members({ schema, root, value, onChange, faults, path }) {
  const all = members(schema, root);
  const shown = all.filter((member) => member.required || member.name in value);
  const others = all.filter((member) => !shown.includes(member));
  const unknown = Object.keys(value).filter((name) => !all.some((member) => member.name === name));
  const set = (name, next) => onChange({ ...value, [name]: next });
  const remove = (name) => {
    const { [name]: gone, ...rest } = value;
    onChange(rest);
  };
  return html`${shown.map(({ name, schema: member, required }) => html`<${Value} key=${name} name=${name} schema=${member} root=${root}
      required=${required} value=${value[name]} onChange=${(next) => set(name, next)} onRemove=${required ? null : () => remove(name)}
      faults=${faults} path=${`${path}/${name}`} />`)}
    ${unknown.length > 0 && html`<p class="soft">Only in the JSON: ${unknown.join(", ")}</p>`}
    ${others.length > 0 && html`<${AddMember} others=${others} onAdd=${(member) => set(member.name, initial(member.schema, root))} />`}
    ${all.length === 0 && html`<p class="soft">Nothing to fill in: the payload is empty.</p>`}`;
}

function AddMember({ others, onAdd }) {
  return html`<select class="add-member" aria-label="Add an optional field" value="" onChange=${(event) => {
    const member = others.find((one) => one.name === event.target.value);
    event.target.value = "";
    if (member) onAdd(member);
  }}>
    <option value="">Add an optional field…</option>
    ${others.map(({ name }) => html`<option key=${name} value=${name}>${name}</option>`)}
  </select>`;
}

function Value(props) {
  const kind = kindOf(props.schema);
  if (kind === "object" && props.schema.properties) return html`<${ObjectValue} ...${props} />`;
  if (kind === "array") return html`<${ArrayValue} ...${props} />`;
  return html`<${ScalarValue} ...${props} kind=${kind} />`;
}

function Remove({ name, onRemove }) {
  return onRemove && html`<button type="button" class="link remove" onClick=${onRemove} aria-label=${`Remove ${name}`}>Remove</button>`;
}

function Label({ name, required }) {
  return html`${name}${required ? html`<span class="required" title="required"> *</span>` : ""}`;
}

function ObjectValue({ name, schema, root, value, required, onChange, onRemove, faults, path }) {
  const fault = faults.get(path);
  const isObject = value !== null && typeof value === "object" && !Array.isArray(value);
  return html`<fieldset>
    <legend><${Label} name=${name} required=${required} /> <${Remove} name=${name} onRemove=${onRemove} /></legend>
    ${describe(schema) && html`<small class="hint">${describe(schema)}</small>`}
    ${fault && html`<small class="fault" role="alert">${fault}</small>`}
    <${Members} schema=${schema} root=${root} value=${isObject ? value : {}} onChange=${onChange} faults=${faults} path=${path} />
  </fieldset>`;
}

function ArrayValue({ name, schema, root, value, required, onChange, onRemove, faults, path }) {
  const items = Array.isArray(value) ? value : [];
  const item = resolve(schema.items, root);
  const fault = faults.get(path);
  const full = items.length >= (schema.maxItems ?? Infinity);
  return html`<fieldset>
    <legend><${Label} name=${name} required=${required} /> <small>${limits(schema)}</small> <${Remove} name=${name}
      onRemove=${onRemove} /></legend>
    ${describe(schema) && html`<small class="hint">${describe(schema)}</small>`}
    ${fault && html`<small class="fault" role="alert">${fault}</small>`}
    ${items.map((one, at) => html`<${Value} key=${at} name=${`${name} ${at + 1}`} schema=${item} root=${root} required=${false} value=${one}
      onChange=${(next) => onChange(items.map((old, index) => (index === at ? next : old)))}
      onRemove=${() => onChange(items.filter((_, index) => index !== at))} faults=${faults} path=${`${path}/${at}`} />`)}
    <button type="button" disabled=${full} onClick=${() => onChange([...items, initial(item, root)])}>Add to ${name}</button>
  </fieldset>`;
}

function limits({ minItems, maxItems }) {
  if (minItems && maxItems) return `${minItems} to ${maxItems}`;
  return minItems ? `at least ${minItems}` : maxItems ? `at most ${maxItems}` : "";
}

function ScalarValue({ name, schema, kind, value, required, onChange, onRemove, faults, path }) {
  const hint = [describe(schema), bounds(schema)].filter(Boolean).join(" ");
  return html`<div class="scalar">
    <${Field} label=${html`<${Label} name=${name} required=${required} />`} hint=${hint} fault=${faults.get(path)}>
      <${Input} schema=${schema} kind=${kind} value=${value} onChange=${onChange} invalid=${faults.has(path)} />
    </${Field}>
    <${Remove} name=${name} onRemove=${onRemove} />
  </div>`;
}

function bounds({ minimum, maximum, maxLength, default: standard }) {
  const parts = [];
  if (minimum !== undefined && maximum !== undefined) parts.push(`${minimum} to ${maximum}.`);
  else if (minimum !== undefined) parts.push(`At least ${minimum}.`);
  else if (maximum !== undefined) parts.push(`At most ${maximum}.`);
  if (maxLength) parts.push(`At most ${maxLength} characters.`);
  if (standard !== undefined) parts.push(`Without it: ${standard}.`);
  return parts.join(" ");
}

function Input({ schema, kind, value, onChange, invalid }) {
  const shared = { "aria-invalid": invalid ? "true" : undefined };
  if (schema.enum) return html`<${Choice} options=${schema.enum} value=${value} onChange=${onChange} shared=${shared} />`;
  if (kind === "boolean") return html`<${Choice} options=${[true, false]} value=${value} onChange=${onChange} shared=${shared} />`;
  if (kind === "integer" || kind === "number") return html`<${NumberInput} kind=${kind} value=${value} onChange=${onChange}
    shared=${shared} />`;
  if (schema.format === "date-time") return html`<${DateInput} value=${value} onChange=${onChange} shared=${shared} />`;
  if (kind === "string") return html`<${TextInput} schema=${schema} value=${value} onChange=${onChange} shared=${shared} />`;
  return html`<${JsonInput} value=${value} onChange=${onChange} shared=${shared} />`;
}

/** The value of an option is its place: options need not be texts. */
function Choice({ options, value, onChange, shared }) {
  const at = options.indexOf(value);
  return html`<select ...${shared} value=${at < 0 ? "" : String(at)}
    onChange=${(event) => onChange(event.target.value === "" ? undefined : options[Number(event.target.value)])}>
    <option value="">${value === undefined ? "Choose…" : String(value)}</option>
    ${options.map((option, place) => html`<option key=${place} value=${String(place)}>${String(option)}</option>`)}
  </select>`;
}

/** Keeps what is typed, `1.` as well, and says the number; text that is none goes on as text, and is a fault. */
function NumberInput({ kind, value, onChange, shared }) {
  const [text, setText] = useState(value === undefined ? "" : String(value));
  useEffect(() => {
    if (value !== read(text)) setText(value === undefined ? "" : String(value));
  }, [value]);
  const changed = (event) => {
    setText(event.target.value);
    onChange(read(event.target.value));
  };
  return html`<input ...${shared} inputmode=${kind === "integer" ? "numeric" : "decimal"} autocomplete="off" value=${text}
    onInput=${changed} />`;
}

function read(text) {
  const trimmed = text.trim();
  if (trimmed === "") return undefined;
  return Number.isFinite(Number(trimmed)) ? Number(trimmed) : trimmed;
}

function TextInput({ schema, value, onChange, shared }) {
  const changed = (event) => onChange(event.target.value === "" ? undefined : event.target.value);
  const text = typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value);
  // A certificate or a message: longer than a line.
  if ((schema.maxLength ?? 0) > 500) return html`<textarea ...${shared} rows="4" value=${text} onInput=${changed}></textarea>`;
  return html`<input ...${shared} autocomplete="off" spellcheck=${false} value=${text} onInput=${changed} />`;
}

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Entered in the reader's zone, kept in UTC. */
function DateInput({ value, onChange, shared }) {
  const date = new Date(value);
  if (value !== undefined && Number.isNaN(date.getTime())) return html`<${TextInput} schema=${{}} value=${value} onChange=${onChange}
    shared=${shared} />`;
  const changed = (event) => onChange(event.target.value ? utc(new Date(event.target.value)) : undefined);
  return html`<span class="date-input">
    <input ...${shared} type="datetime-local" step="1" value=${value === undefined ? "" : local(date)} onInput=${changed} />
    <button type="button" onClick=${() => onChange(utc(new Date()))}>Now</button>
    <small>${value === undefined ? `in ${zone}` : `in ${zone}; sent as ${value}`}</small>
  </span>`;
}

function utc(date) {
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString().replace(/\.\d+Z$/, "Z");
}

function local(date) {
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

/** A value of any type, as JSON; text that is no JSON is a text. */
function JsonInput({ value, onChange, shared }) {
  const [text, setText] = useState(value === undefined ? "" : JSON.stringify(value));
  const changed = (event) => {
    setText(event.target.value);
    try {
      onChange(event.target.value.trim() ? JSON.parse(event.target.value) : undefined);
    } catch {
      onChange(event.target.value);
    }
  };
  return html`<input ...${shared} class="mono" value=${text} placeholder="JSON or text" onInput=${changed} />`;
}
