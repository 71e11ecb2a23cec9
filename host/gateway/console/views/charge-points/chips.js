// The status of connectors as small coloured chips, and names of versions.
import { html } from "../../lib/ui.js";
import { fullTime } from "../../lib/format.js";
import { connectorName } from "./advice.js";

const TONES = {
  Available: "ok", Charging: "info", Occupied: "info", Preparing: "info", Finishing: "info", SuspendedEV: "warn", SuspendedEVSE: "warn",
  Reserved: "warn", Unavailable: "bad", Faulted: "bad",
};

/** All that OCPP knows, for the filter. */
export const STATUSES = Object.keys(TONES);

export function statusTone(status) {
  return TONES[status] ?? "none";
}

function whole(one) {
  // A StatusNotification may repeat the status: it tells no beginning.
  const last = one.at && `last StatusNotification ${fullTime(one.at)}`;
  return [`Connector ${connectorName(one)}: ${one.status}`, one.error_code, last].filter(Boolean).join(", ");
}

export function Connectors({ connectors }) {
  if (!connectors?.length) return html`<span class="soft">–</span>`;
  const all = connectors.map((one) => `${connectorName(one)} ${one.status}`).join(", ");
  return html`<span title=${all}>${connectors.map((one) => html`<span key=${connectorName(one)}
    class=${`badge chip ${statusTone(one.status)}`}
    title=${whole(one)}>
    ${connectorName(one)} ${one.status}</span>`)}</span>`;
}

/** `ocpp2.0.1` as `2.0.1`. */
export function shortVersion(version) {
  return (version ?? "–").replace(/^ocpp/, "");
}

export function vendorAndModel({ vendor, model }) {
  return [vendor, model].filter(Boolean).join(" ");
}
