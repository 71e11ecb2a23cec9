// The message that is tried: typed, one of the examples, or one that passes the gateway.
import { html, useRef, useState } from "../../lib/ui.js";
import { Editor } from "../../lib/code.js";
import { pretty } from "../../lib/format.js";
import { useMe } from "../../lib/poll.js";
import { Field, Section, Tabs } from "../../lib/widgets.js";
import { EXAMPLES } from "./examples.js";
import { LiveMessages } from "./live-messages.js";
import { handedOver, isAnswer, withExample } from "./state.js";

const VERSIONS = ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"];
const DIRECTIONS = [["uplink", "From a charge point"], ["downlink", "From a back end"]];

export function MessagePane({ state, change, marks }) {
  const [picks, setPicks] = useState(false);
  const { payloads } = useMe();
  const button = useRef(null);
  const pick = (given) => {
    setPicks(false);
    change(handedOver(given));
    // The button that was pressed is gone.
    button.current?.focus();
  };
  const reason = payloads ? undefined : "admin.tap_payloads is false: messages are not shown.";
  const take = (event) => change(withExample(state, event.target.value));
  const actions = html`<select aria-label="Examples" value=${state.example} onChange=${take}>
      <option value="">Examples…</option>
      ${EXAMPLES.map(({ group, items }) => html`<optgroup key=${group} label=${group}>
        ${items.map(({ key, name }) => html`<option key=${key} value=${key}>${name}</option>`)}
      </optgroup>`)}
    </select>
    <button type="button" ref=${button} aria-expanded=${picks} disabled=${!payloads} title=${reason}
      onClick=${() => setPicks(!picks)}>Live messages</button>`;
  return html`<${Section} title="Message" actions=${actions} class="panel play-message">
    ${picks && html`<${LiveMessages} onPick=${pick} onClose=${() => setPicks(false)} />`}
    <${ChargePoint} state=${state} change=${change} mark=${marks.attributes} />
    <${Tabs} label="Where the message is from" items=${DIRECTIONS} value=${state.direction}
      onChange=${(direction) => change({ direction, example: "" })} />
    ${state.direction === "uplink"
      ? html`<${FrameFields} state=${state} change=${change} mark=${marks.frame} />`
      : html`<${MessageFields} state=${state} change=${change} />`}
  </${Section}>`;
}

function ChargePoint({ state, change, mark }) {
  const typed = (part) => change(part, { typed: true });
  return html`<div class="play-charge-point">
      <${Field} label="Charge point">
        <input value=${state.id} spellcheck=${false} onInput=${(event) => typed({ id: event.target.value })} />
      </${Field}>
      <${Field} label="Version">
        <select value=${state.version} onChange=${(event) => change({ version: event.target.value, example: "" })}>
          ${VERSIONS.map((version) => html`<option key=${version} value=${version}>${version}</option>`)}
        </select>
      </${Field}>
    </div>
    <details class="play-more" open=${state.attributes !== "" || undefined}>
      <summary>Attributes</summary>
      <${Editor} label="Attributes of the charge point as JSON" rows=${3} value=${state.attributes} mark=${mark}
        onInput=${(attributes) => typed({ attributes })} />
      <small class="hint">Texts that a transform gave at its admission: {"tenant": "acme"}</small>
    </details>`;
}

function FrameFields({ state, change, mark }) {
  const typed = (part) => change({ ...part, example: "" }, { typed: true });
  return html`<div class="field">
      <span class="label row"><span aria-hidden="true">Frame</span>
        <button type="button" class="link" onClick=${() => change({ frame: pretty(state.frame) })}>Format</button></span>
      <${Editor} label="Frame of OCPP-J" rows=${13} value=${state.frame} mark=${mark} onInput=${(frame) => typed({ frame })} />
    </div>
    ${isAnswer(state.frame) && html`<${Field} label="Action" hint="That of the CALL which this frame answers.">
      <input value=${state.action} spellcheck=${false} onInput=${(event) => typed({ action: event.target.value })} />
    </${Field}>`}`;
}

function MessageFields({ state, change }) {
  const typed = (part) => change({ ...part, example: "" }, { typed: true });
  return html`<${Field} label="Topic">
      <input value=${state.topic} spellcheck=${false} placeholder=${`ocpp/cs/${state.id}`}
        onInput=${(event) => typed({ topic: event.target.value })} />
    </${Field}>
    <div class="field">
      <span class="label row"><span aria-hidden="true">Payload</span>
        <button type="button" class="link" onClick=${() => change({ payload: pretty(state.payload) })}>Format</button></span>
      <${Editor} label="Payload of the MQTT message" rows=${14} value=${state.payload} onInput=${(payload) => typed({ payload })} />
    </div>
    <div class="play-charge-point">
      <${Field} label="QoS">
        <select value=${state.qos} onChange=${(event) => change({ qos: Number(event.target.value) })}>
          ${[0, 1, 2].map((qos) => html`<option key=${qos} value=${qos}>${qos}</option>`)}
        </select>
      </${Field}>
      <label class="check">
        <input type="checkbox" checked=${state.retain} onChange=${(event) => change({ retain: event.target.checked })} /> retained
      </label>
    </div>`;
}
