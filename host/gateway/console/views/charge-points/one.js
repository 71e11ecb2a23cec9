// The page of a charge point: what is wrong first, then facts, then its messages live.
import { html, useMemo } from "../../lib/ui.js";
import { Badge, ChangeButton, confirmed, Empty, Failure, note, Page, Prose, Section, Time } from "../../lib/widgets.js";
import { request } from "../../lib/api.js";
import { useMe, useNow, usePoll } from "../../lib/poll.js";
import { href } from "../../lib/router.js";
import { Messages } from "../messages/panel.js";
import { connectorName, findings } from "./advice.js";
import { seenText } from "./answer-advice.js";
import { Answers } from "./answers.js";
import { shortVersion, statusTone, vendorAndModel } from "./chips.js";

const ROW_EVERY = 2000;
const EVENTS_EVERY = 5000;

export function ChargePoint({ id, query }) {
  const list = usePoll("/api/v1/charge-points", { query: { state: "all", id, limit: 10 }, every: ROW_EVERY });
  const row = list.data?.charge_points.find((one) => one.id === id) ?? null;
  const detail = usePoll(row?.connected ? `/api/v1/charge-points/${encodeURIComponent(id)}` : null, { every: ROW_EVERY });
  const refusalPage = usePoll("/api/v1/refusals", { query: { search: id, limit: 100 }, every: EVENTS_EVERY });
  const eventPage = usePoll("/api/v1/events/recent", { query: { charge_point: id, limit: 50 }, every: EVENTS_EVERY });
  const refusals = (refusalPage.data?.refusals ?? []).filter((one) => one.identity === id);
  const events = eventPage.data?.events ?? [];
  const calls = detail.data?.calls ?? null;
  const answers = useMemo(() => new Answers(), [id]);
  // All at once, so that the page does not move while its parts are read.
  const ready = list.data && [refusalPage, eventPage].every((page) => page.data || page.error);
  const back = { path: ["charge-points"], text: "Charge points" };
  return html`<${Page} title=${id} back=${back} subtitle=${row && html`<${Subtitle} row=${row} />`} actions=${html`<${Actions} id=${id}
    row=${row} />`}>
    <${Failure} error=${list.error ?? refusalPage.error ?? eventPage.error}
      retry=${() => [list, refusalPage, eventPage].forEach((page) => page.reload())} />
    ${ready && html`<${Findings} id=${id} row=${row} calls=${calls} refusals=${refusals} events=${events} answers=${answers} />
      ${(row || events.length > 0) && html`<div class="cp-panels">
        ${row && html`<${Facts} row=${row} />`}
        ${row && html`<${ConnectorsAndCalls} row=${row} calls=${calls} />`}
        ${events.length > 0 && html`<${RecentEvents} events=${events} />`}
      </div>`}
      <${Messages} id=${id} query=${query} quiet=${!row?.connected} onLine=${(line) => answers.take(line)} />`}
  </${Page}>`;
}

function Subtitle({ row }) {
  return html`<${Badge} tone=${row.connected ? "ok" : "bad"}>${row.connected ? "connected" : "not connected"}</${Badge}>
    ${" "}OCPP ${shortVersion(row.version)} ${vendorAndModel(row) && `· ${vendorAndModel(row)}`}`;
}

function Actions({ id, row }) {
  const disconnect = async () => {
    const text = "Its connection is closed. It may connect again at once.";
    const yes = await confirmed({ title: `Disconnect ${id}?`, text, action: "Disconnect" });
    if (!yes) return;
    try {
      await request(`/api/v1/charge-points/${encodeURIComponent(id)}`, { method: "DELETE" });
      note(`${id} is disconnected.`);
    } catch (error) {
      note(error.message, "bad");
    }
  };
  return html`<a class="button" href=${href(["call"], { to: encodeURIComponent(id) })}>Send a CALL…</a>
    <${ChangeButton} class="danger" onClick=${disconnect} disabled=${!row?.connected}>Disconnect…</${ChangeButton}>`;
}

function Findings({ id, row, calls, refusals, events, answers }) {
  const now = useNow(1000);
  const { payloads } = useMe();
  if (!row && !refusals.length && !events.length) return html`<${Unknown} id=${id} />`;
  const seen = seenText(answers, payloads, now);
  const found = findings({ row, calls, refusals, events, answers: answers.latest, now });
  const isWell = !found.length && row?.connected;
  const well = "It is connected. No connector is faulted, no message failed, and no CALL waits.";
  const shown = found.length ? found : [isWell ? { tone: "info", text: well } : { tone: "warn", text: "Look at its last events." }];
  return html`<section class="findings" aria-label="Why it does not charge">
    ${shown.map(({ tone, text }, at) => html`<p key=${at} class=${`notice ${tone}`}><span><${Prose} text=${text} /></span></p>`)}
    <p class="soft">${seen}</p>
  </section>`;
}

/** An identity that the gateway has not seen. */
function Unknown({ id }) {
  const { started } = useMe();
  return html`<section class="panel unknown">
    <p class="notice bad"><span>No charge point with this identity has connected, or tried to, since the gateway started (<${Time}
      value=${started} relative />).</span></p>
    <h2>What to check</h2>
    <ul>
      <li>The end of its URL has to be this identity, with the same upper and lower case: <code>ws://HOST:PORT/ocpp/${id}</code></li>
      <li>Similar identities: <a href=${href(["charge-points"], { search: id.slice(0, Math.max(3, id.length - 3)) })}>connected</a>, <a
        href=${href(["charge-points"], { state: "away" })}>away</a></li>
      <li>Connections that were refused before an identity was read are listed by address: <a
        href=${href(["charge-points"], { state: "refused" })}>refused</a></li>
      <li>If it is nowhere in these lists, it does not reach the gateway: check its power, its network, DNS, and the firewall.</li>
    </ul>
    <p class="soft">This page shows it as soon as it connects.</p>
  </section>`;
}

function Facts({ row }) {
  const facts = [
    ["OCPP", shortVersion(row.version)],
    ["Address", html`<span class="mono">${row.address}</span>`],
    ["Listener", row.listener],
    row.connected ? ["On line since", html`<${Time} value=${row.connected_since} />`] : ["Off line since", html`<${Time}
      value=${row.disconnected_at} />`],
    !row.connected && ["Why", row.disconnect_reason ?? "–"],
    ["Last message", html`<${Time} value=${row.last_message} relative />`],
    ["Last heartbeat", html`<${Time} value=${row.last_heartbeat} relative />`],
    ["Vendor", row.vendor ?? "–"],
    ["Model", row.model ?? "–"],
    ["Firmware", row.firmware ?? "–"],
    ["Serial number", row.serial ?? "–"],
  ].filter(Boolean);
  return html`<${Section} title="Facts"><dl class="facts">${facts.map(([name, value]) => html`<dt
    key=${name}>${name}</dt><dd>${value}</dd>`)}</dl></${Section}>`;
}

function ConnectorsAndCalls({ row, calls }) {
  return html`<${Section} title="Connectors">
    ${row.connectors.length === 0
      ? html`<${Empty}>It has sent no StatusNotification yet. Ask for one with TriggerMessage.</${Empty}>`
      : html`<table class="connectors">
          <thead><tr><th>No.</th><th>Status</th><th>Error</th><th>Last StatusNotification</th></tr></thead>
          <tbody>${row.connectors.map((one) => html`<tr key=${connectorName(one)}>
            <td>${connectorName(one)}</td>
            <td><${Badge} tone=${statusTone(one.status)}>${one.status}</${Badge}></td>
            <td>${one.error_code && one.error_code !== "NoError" ? html`<span class="fault">${one.error_code}</span>` : html`<span
              class="soft">–</span>`}</td>
            <td><${Time} value=${one.at} relative /></td>
          </tr>`)}</tbody>
        </table>`}
    ${row.connected && html`<h3 class="sub">Open CALLs</h3>
      <dl class="facts">
        <dt>from it</dt><dd>${calls ? calls.from_charge_point.join(", ") || "0" : row.open_calls.from_charge_point}</dd>
        <dt>to it</dt>
        <dd>${calls ? (calls.to_charge_point ?? "0") : row.open_calls.to_charge_point}
          ${calls?.waiting > 0 && `, ${calls.waiting} wait`}</dd>
        <dt>queue</dt><dd>${row.mailbox}</dd>
      </dl>`}
  </${Section}>`;
}

function RecentEvents({ events }) {
  return html`<${Section} title="Recent events">
    <ol class="recent-events" tabindex="0" aria-label="Recent events">
      ${events.map((event, at) => html`<li key=${at}><span class="when"><${Time} value=${event.time} /></span> <${Badge}
        tone=${eventTone(event)}>${event.event}</${Badge}> ${eventText(event)}</li>`)}
    </ol>
  </${Section}>`;
}

function eventTone({ event }) {
  return { connected: "ok", disconnected: "warn", refused: "bad", incident: "bad" }[event] ?? "none";
}

function eventText(event) {
  const text = event.text ?? event.reason ?? "";
  if (event.event === "connected") return `${event.version} from ${event.address}`;
  if (event.event === "incident") return `${event.action || "A message"} ${event.direction === "uplink" ? "from it" : "to it"}: ${text}`;
  return text;
}
