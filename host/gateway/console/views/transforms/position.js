// The place of a new transform.
import { html } from "../../lib/ui.js";

/** In front of which transform a new one stands; drop-ins stand behind all others. */
export function Position({ value, transforms, onChange }) {
  const others = transforms.filter(({ origin }) => origin !== "drop-in" && origin !== "default");
  return html`<select value=${value} onChange=${(event) => onChange(event.target.value)}>
    <option value="">behind all others but drop-ins</option>
    ${others.map(({ name }) => html`<option key=${name} value=${name}>before ${name}</option>`)}
  </select>`;
}
