// The certificates of the gateway, and when they end.
import { html } from "../../lib/ui.js";
import { count } from "../../lib/format.js";
import { Badge, Empty, Section, Time } from "../../lib/widgets.js";

export function Certificates({ certificates }) {
  const first = [...certificates].sort((one, other) => (one.days_left ?? -Infinity) - (other.days_left ?? -Infinity));
  return html`<${Section} title="Certificates" id="part-certificates" tabindex="-1">
    ${first.length
      ? html`<table class="certificates">
          <thead><tr><th scope="col">Key, subject and file</th><th scope="col">Ends</th></tr></thead>
          <tbody>${first.map((one) => html`<${Row} key=${one.keys + one.file} ...${one} />`)}</tbody>
        </table>`
      : html`<${Empty}>No certificate is configured. The keys of [ocpp.tls], [listeners.tls] and [admin.tls] name them.<//>`}
  <//>`;
}

function Row({ file, keys, subject, not_after: end, days_left: days, warning, fault }) {
  if (fault) {
    return html`<tr>
      <td class="any-break"><code>${keys.join(", ")}</code><br /><small class="mono">${file}</small></td>
      <td class="any-break"><${Badge} tone="bad">cannot be read<//> ${fault}</td>
    </tr>`;
  }
  const tone = days < 0 ? "bad" : warning ? "warn" : "ok";
  const words = days < 0 ? "has ended" : days < 1 ? "less than a day left" : `${count(Math.floor(days))} days left`;
  return html`<tr>
    <td class="any-break"><code>${keys.join(", ")}</code><br />${subject}<br /><small class="mono">${file}</small></td>
    <td><${Time} value=${end} /> <${Badge} tone=${tone}>${words}<//></td>
  </tr>`;
}
