// The limits that were in force since the start of the gateway, and the keys that set them.
import { html } from "../../lib/ui.js";
import { count } from "../../lib/format.js";
import { href } from "../../lib/router.js";
import { showPart } from "../../lib/part.js";
import { Empty, Section } from "../../lib/widgets.js";

/** By limit: the keys that set it, and what happens over it (docs/limits.md). */
const LIMITS = {
  max_connections: [["ocpp.max_connections"], "More charge points get 503 with Retry-After."],
  max_connections_per_address: [["ocpp.max_connections_per_address"], "More from one address get 429 with Retry-After."],
  handshakes_per_address: [["ocpp.max_connections"], "More handshakes from one address than a quarter of the key are closed."],
  sockets: [["ocpp.max_connections"], "Further sockets are closed without an answer. The limit of open files may be lower than the key."],
  accept_rate: [["ocpp.accept_rate"], "Handshakes wait up to 2 s, then get 503 with Retry-After."],
  message_rate: [["ocpp.message_rate"], "Reading from a charge point that sends faster pauses."],
  total_message_rate: [["ocpp.total_message_rate"], "Reading from charge points pauses, from all that send in turn."],
  open_calls: [["ocpp.open_calls"], "Reading from a charge point with so many open CALLs pauses until one is answered."],
  queue_memory: [
    ["ocpp.queue_memory", "runtime.queue_memory"],
    "Nothing more is read from charge points; messages to them are reported as undeliverable.",
  ],
};

export function Limits({ limits }) {
  const most = [...limits].sort((one, other) => other.times - one.times);
  return html`<${Section} title="Limits in force since the start" id="part-limits" tabindex="-1">
    ${most.length
      ? html`<table class="limits">
          <thead><tr><th scope="col">Limit</th><th scope="col" class="numeric">Times</th><th scope="col">Over it</th></tr></thead>
          <tbody>${most.map((one) => html`<${Row} key=${one.limit} ...${one} />`)}</tbody>
        </table>`
      : html`<${Empty}>No limit was in force since the start of the gateway.<//>`}
  <//>`;
}

function Row({ limit, times }) {
  const [keys, happens] = LIMITS[limit] ?? [[], ""];
  return html`<tr>
    <td><code>${limit.split("_").map((word, at) => html`${at > 0 && html`_<wbr />`}${word}`)}</code></td>
    <td class="numeric">${count(times)}</td>
    <td>
      ${happens}${" "}
      ${keys.map((key, at) => html`${at > 0 && " and "}<${KeyLink} key=${key} name=${key} text=${at ? key : `Set by ${key}`} />`)}
    </td>
  </tr>`;
}

/** Shows this key among the settings; also if the URL names it already. */
function KeyLink({ name, text }) {
  return html`<a href=${href(["settings"], { search: name, part: "settings" })} onClick=${() => showPart("settings")}>${text}</a>`;
}
