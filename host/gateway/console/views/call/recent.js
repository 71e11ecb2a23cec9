// The CALLs that were sent last from this tab, to send them again.
import { html } from "../../lib/ui.js";
import { Section, Time } from "../../lib/widgets.js";
import { count } from "../../lib/format.js";
import { summary } from "../messages/filter.js";

/** `calls`: as `recent()` gives them. `onUse(call)`. */
export function Recent({ calls, onUse }) {
  return html`<${Section} title="Recent CALLs">
    ${calls.length === 0
      ? html`<p class="empty">What you send from this tab is listed here, to be sent again.</p>`
      : html`<ul class="recent-calls">${calls.map((call) => html`<li key=${call.time + call.action}>
          <button type="button" class="link" onClick=${() => onUse(call)}>${call.action}</button>
          <span>to ${call.to.length === 1 ? call.to[0] : `${count(call.to.length)} charge points`}</span>
          <small><${Time} value=${call.time} relative /></small>
          <span class="what">${shortPayload(call.payload)}</span>
        </li>`)}</ul>`}
  </${Section}>`;
}

function shortPayload(text) {
  try {
    return summary(JSON.parse(text)) || "{}";
  } catch {
    return text;
  }
}
