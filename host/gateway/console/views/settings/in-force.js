// The settings in force, by section as in the configuration file.
import { html } from "../../lib/ui.js";
import { setQuery } from "../../lib/router.js";
import { Empty, SearchBox, Section } from "../../lib/widgets.js";

/** What the gateway shows in the place of a secret. */
const HIDDEN = "(hidden)";
/** Longer values are folded. Characters, and lines. */
const LONG = 300;
const MANY_LINES = 6;

/** Whether it is a table of the configuration. */
function isTable(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

/** `[{path: "ocpp.auth", title: "[ocpp.auth]", keys: [[key, value]]}]`: each table a section of its own, as in the file. */
export function sections(settings) {
  return Object.entries(settings).flatMap(([name, value]) => {
    if (isTable(value)) return table(name, `[${name}]`, value);
    const tables = Array.isArray(value) && value.length > 0 && value.every(isTable);
    if (tables) return value.flatMap((one, at) => table(`${name}[${at}]`, `[[${name}]] ${one.name ?? at}`, one));
    return [{ path: name, title: name, keys: [[name, value]] }];
  });
}

function table(path, title, value) {
  const keys = Object.entries(value).filter(([, one]) => !isTable(one));
  const inner = Object.entries(value).filter(([, one]) => isTable(one));
  const titled = (key) => (title.startsWith("[[") ? `${title} · ${key}` : `[${path}.${key}]`);
  const deeper = inner.flatMap(([key, one]) => table(`${path}.${key}`, titled(key), one));
  return [...(keys.length || !inner.length ? [{ path, title, keys }] : []), ...deeper];
}

/** Only the keys that have the text in their path or in their value. */
export function selected(all, search) {
  const wanted = search.trim().toLowerCase();
  if (!wanted) return all;
  const has = (path, [key, value]) => `${path}.${key}`.toLowerCase().includes(wanted) || written(value).toLowerCase().includes(wanted);
  return all.map((one) => ({ ...one, keys: one.keys.filter((pair) => has(one.path, pair)) })).filter(({ keys }) => keys.length);
}

/** A value as in the file: text in quotes, several values in brackets. */
function written(value) {
  if (value === null) return "–";
  return typeof value === "string" && value.includes("\n") ? value : JSON.stringify(value);
}

export function InForce({ settings, search }) {
  const shown = selected(sections(settings), search);
  return html`<${Section} title="Settings in force" id="part-settings" tabindex="-1">
    <div class="filters">
      <${SearchBox} label="Search keys and values" value=${search} onChange=${(text) => setQuery({ search: text })} />
    </div>
    ${shown.length
      ? html`<div class="settings">${shown.map((one) => html`<${Table} key=${one.path} ...${one} />`)}</div>`
      : html`<${Empty}>No key and no value has “${search}” in it.
          ${" "}<button type="button" class="link" onClick=${() => setQuery({ search: "" })}>Show all</button>
        <//>`}
  <//>`;
}

function Table({ path, title, keys }) {
  return html`<section class="settings-table">
    <h3 class="mono">${title}</h3>
    ${keys.length
      ? html`<table>
          <thead class="visually-hidden"><tr><th scope="col">Key</th><th scope="col">Value</th></tr></thead>
          <tbody>${keys.map(([key, value]) => html`<tr key=${key}>
            <th scope="row"><code title=${`${path}.${key}`}>${key}</code></th>
            <td><${Value} value=${value} /></td>
          </tr>`)}</tbody>
        </table>`
      : html`<p class="soft">No key is set.</p>`}
  </section>`;
}

function Value({ value }) {
  if (value === HIDDEN) return html`<em class="soft">hidden</em>`;
  if (value === null) return html`<span class="soft">–</span>`;
  const text = written(value);
  if (text.length <= LONG && text.split("\n").length <= MANY_LINES) return html`<code class="value">${text}</code>`;
  const whole = Array.isArray(value) ? JSON.stringify(value, null, 2) : text;
  return html`<details>
    <summary><code>${text.slice(0, 80).split("\n")[0]}…</code></summary>
    <code class="value">${whole}</code>
  </details>`;
}
