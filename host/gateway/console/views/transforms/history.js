// The versions that were sent over the API, and the way back to each.
import { html, useState } from "../../lib/ui.js";
import { shortHash } from "../../lib/format.js";
import { Badge, ChangeButton, Empty, Failure, ScrollX, Section, Time } from "../../lib/widgets.js";
import { makeChange, transformPath } from "./changes.js";

const HEAD = ["Version", "Sent", "By", "Component", "SHA-256", "Program", "State"];

export function History({ name, details: { versions }, reload }) {
  const [error, setError] = useState(null);
  const rollBack = (number) => () => {
    setError(null);
    const words = { title: `Roll ${name} back to version ${number}?`, action: "Roll back", done: `Version ${number} of ${name} runs.` };
    makeChange({ path: transformPath(name, "rollback"), method: "POST", query: { version: number }, ...words })
      .then((made) => made && reload(), setError);
  };
  if (!versions.length) {
    return html`<${Section} title="History">
      <${Empty}>No version was sent over the API. The last ten that are sent stand here.</${Empty}>
    </${Section}>`;
  }
  return html`<${Section} title="History">
    <${Failure} error=${error} />
    <${ScrollX} label="Versions"><table>
      <thead><tr>${HEAD.map((text) => html`<th key=${text} scope="col">${text}</th>`)}</tr></thead>
      <tbody>${versions.map((version) => html`<tr key=${version.number}>
        <th scope="row">${version.number}</th>
        <td><${Time} value=${version.at} /></td>
        <td>${version.from}${version.token && ` (${version.token})`}</td>
        <td>${version.component}${version.fault && html`<p class="fault">Rolled back by itself: ${version.fault}</p>`}</td>
        <td class="mono" title=${version.sha256}>${shortHash(version.sha256)}</td>
        <td class="mono" title=${version.program_sha256}>${shortHash(version.program_sha256)}</td>
        <td>${version.running
          ? html`<${Badge} tone="ok">runs</${Badge}>`
          : html`<${ChangeButton} onClick=${rollBack(version.number)}>Roll back to ${version.number}…</${ChangeButton}>`}
        </td>
      </tr>`)}</tbody>
    </table><//>
  </${Section}>`;
}
