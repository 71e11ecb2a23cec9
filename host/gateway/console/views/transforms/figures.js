// Numbers in a row.
import { html } from "../../lib/ui.js";

/** `figures`: `[[name, value, tone]]`; `tone`: warn, bad or none. */
export function Figures({ figures }) {
  return html`<div class="figures">
    ${figures.map(([name, value, tone]) => html`<div key=${name} class=${`figure ${tone || ""}`}>
      <span class="soft">${name}</span><strong>${value}</strong>
    </div>`)}
  </div>`;
}
