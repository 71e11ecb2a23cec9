// The listeners for charge points: where they connect, what is asked of them, and how many do.
import { html } from "../../lib/ui.js";
import { count } from "../../lib/format.js";
import { usePoll } from "../../lib/poll.js";
import { href } from "../../lib/router.js";
import { Failure, ScrollX, Section } from "../../lib/widgets.js";

const HEAD = ["Name", "Address", "Versions", "Asks for", "Connected", "Accepted", "Refused"];
const NUMERIC = new Set(["Connected", "Accepted", "Refused"]);

export function Listeners() {
  const { data, error, reload } = usePoll("/api/v1/listeners", { every: 5000 });
  return html`<${Section} title="Listeners" id="part-listeners" tabindex="-1">
    <${Failure} error=${error} kept=${Boolean(data)} retry=${reload} />
    <${ScrollX} label="Listeners for charge points"><table>
      <thead><tr>
        ${HEAD.map((text) => html`<th key=${text} scope="col" class=${NUMERIC.has(text) ? "numeric" : ""}>${text}</th>`)}
      </tr></thead>
      <tbody>${(data ?? []).map((one) => html`<${Row} key=${one.name} one=${one} several=${data.length > 1} />`)}</tbody>
    </table><//>
  <//>`;
}

function Row({ one, several }) {
  const { name, address, path, tls, versions, mountpoint, access } = one;
  const to = href(["charge-points"], { listener: several ? name : "" });
  return html`<tr>
    <th scope="row"><a href=${to}>${name}</a></th>
    <td class="mono">${tls ? "wss" : "ws"}://${address}${path.replace(/\/+$/, "")}/…${mountpoint && html`<br /><small>topics
      begin with ${mountpoint}</small>`}</td>
    <td>${versions.map((version) => version.replace("ocpp", "")).join(", ")}</td>
    <td>${demands(one)}${access.length > 0 && html`<br /><small>${access.join(", ")}</small>`}</td>
    <td class="numeric">${count(one.connections)}</td>
    <td class="numeric">${count(one.accepted)}</td>
    <td class="numeric">${count(one.refused)}</td>
  </tr>`;
}

function demands({ passwords, client_certificates: certificates }) {
  return [passwords && "passwords", certificates && "certificates"].filter(Boolean).join(" and ") || "nothing: any client can connect";
}
