// The values of the charts as a table, for those who cannot see or point at them.
import { html, useState } from "../../lib/ui.js";
import { clock } from "../../lib/format.js";
import { CHARTS } from "./charts.js";

const COLUMNS = CHARTS.flatMap(([title, format, lines]) => lines.map(([label, name]) => ({ title, label, name, format })));

export function Values({ figures: { times, series } }) {
  const [open, setOpen] = useState(false);
  return html`<details class="values" onToggle=${(event) => setOpen(event.currentTarget.open)}>
    <summary>The values as a table</summary>
    ${open && html`<div class="values-scroll" tabindex="0" role="region" aria-label="Values of the last hour">
      <table>
        <thead>
          <tr>
            <th scope="col" rowspan="2">Time</th>
            ${CHARTS.map(([title, , lines]) => html`<th scope="colgroup" colspan=${lines.length} key=${title}>${title}</th>`)}
          </tr>
          <tr>${COLUMNS.map(({ name, label }) => html`<th scope="col" key=${name}>${label}</th>`)}</tr>
        </thead>
        <tbody>
          ${times.map((time, at) => html`<${Row} key=${time} at=${at} times=${times} series=${series} />`).reverse()}
        </tbody>
      </table>
    </div>`}
  </details>`;
}

function Row({ at, times, series }) {
  return html`<tr>
    <th scope="row">${clock(times[at] * 1000)}</th>
    ${COLUMNS.map(({ name, format }) => {
      const value = series[name]?.[at] ?? null;
      return html`<td class="numeric" key=${name}>${value === null ? "–" : format(value)}</td>`;
    })}
  </tr>`;
}
