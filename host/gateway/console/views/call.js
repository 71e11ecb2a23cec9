// Send a CALL: to which charge points, which action, with which payload, and what came of it.
import { html, useEffect, useMemo, useState } from "../lib/ui.js";
import { ChangeButton, confirmed, Failure, Field, note, Page, Section } from "../lib/widgets.js";
import { count } from "../lib/format.js";
import { useMe, usePoll } from "../lib/poll.js";
import { setQuery } from "../lib/router.js";
import { draftFrom, faultsOf, newDraft, Payload } from "./call/payload.js";
import { Recent } from "./call/recent.js";
import { Results } from "./call/results.js";
import { recent, remember, start } from "./call/run.js";
import { Targets, useTargets } from "./call/targets.js";

/** An action that the schemas do not have, of a vendor. */
const OTHER = "(other)";
/** What was entered, by version and action: it is still there after a look at another view. */
const drafts = new Map();
const MAX_DRAFTS = 50;

export default function View({ query }) {
  const ids = useMemo(() => idsOf(query.to), [query.to]);
  const rows = useTargets(ids);
  const schemas = usePoll("/api/v1/schemas");
  const [calls, setCalls] = useState(recent);
  const [reuse, setReuse] = useState(null);
  const versions = versionsOf(ids, rows);
  const version = query.version ?? versions[0]?.[0] ?? "ocpp1.6";
  const use = (call) => {
    const key = `${call.version} ${call.action}`;
    drafts.set(key, draftFrom(call.payload));
    setReuse({ key });
    setQuery({ to: toQuery(call.to), action: call.action, version: call.version });
    document.querySelector("#view h1")?.focus();
  };
  return html`<${Page} title="Send a CALL" subtitle="It waits among those of back ends, and passes no transform. Back ends do not see it.">
    <${Failure} error=${schemas.error} retry=${schemas.reload} />
    <div class="call-view">
      <div>
        <${Section} title="To"><${Targets} ids=${ids} rows=${rows} onChange=${(next) => setQuery({ to: toQuery(next) })} />
          <${Mixed} ids=${ids} rows=${rows} versions=${versions} version=${version} /></${Section}>
        ${schemas.data && html`<${Compose} ids=${ids} version=${version} versions=${versions} action=${query.action}
          schemas=${schemas.data} reuse=${reuse}
          onSent=${(call) => setCalls(remember(call))} />`}
      </div>
      <div class="call-came"><${Results} /><${Recent} calls=${calls} onUse=${use} /></div>
    </div>
  </${Page}>`;
}

/** `to=A,B`; an identity with a comma is percent-encoded in it. */
function idsOf(to) {
  const decoded = (to ?? "").split(",").filter(Boolean).map((id) => {
    try {
      return decodeURIComponent(id);
    } catch {
      return id;
    }
  });
  return [...new Set(decoded)];
}

function toQuery(ids) {
  return ids.map(encodeURIComponent).join(",");
}

/** `[[version, number of charge points]]`, the commonest first. */
function versionsOf(ids, rows) {
  const numbers = new Map();
  for (const id of ids) {
    const version = rows?.get(id)?.version;
    if (version) numbers.set(version, (numbers.get(version) ?? 0) + 1);
  }
  return [...numbers].sort(([, a], [, b]) => b - a);
}

/** Says that the charge points do not all speak the version of the form. */
function Mixed({ ids, rows, versions, version }) {
  const others = ids.filter((id) => rows?.get(id) && rows.get(id).version !== version);
  if (!others.length) return null;
  const text = versions.map(([name, number]) => `${count(number)} × ${name.replace("ocpp", "OCPP ")}`).join(", ");
  const form = version.replace("ocpp", "OCPP ");
  return html`<div class="notice warn">
    <span>The charge points speak different versions (${text}). All of them get the payload for ${form}.</span>
    <button type="button"
      onClick=${() => setQuery({ to: toQuery(ids.filter((id) => !others.includes(id))) })}>Remove the others</button></div>`;
}

function Compose({ ids, version, versions, action, schemas, reuse, onSent }) {
  const known = (schemas[version] ?? []).filter((one) => one.sent_by.includes("csms")).map((one) => one.action);
  const other = action !== undefined && !known.includes(action);
  const { data: schema, error, reload } = usePoll(action && !other ? `/api/v1/schemas/${version}/${action}` : null);
  const ready = action && (other || schema || error);
  const chosen = (event) => setQuery({ action: event.target.value === OTHER ? OTHER : event.target.value, version });
  return html`<${Section} title="What">
    <div class="what-fields">
      <${Field} label="Action">
        <select value=${other ? OTHER : (action ?? "")} onChange=${chosen}>
          <option value="">Choose…</option>
          ${known.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}
          <option value=${OTHER}>Another one…</option>
        </select>
      </${Field}>
      ${other && html`<${Field} label="Name of the action"><input value=${action === OTHER ? "" : action} maxlength="128"
        onChange=${(event) => setQuery({ action: event.target.value.trim() || OTHER })} /></${Field}>`}
      <${Field} label="Schema of"><select value=${version} onChange=${(event) => setQuery({ version: event.target.value })}>
        ${Object.keys(schemas).map((name) => html`<option key=${name}
          value=${name}>${name.replace("ocpp", "OCPP ")}${versions.some(([used]) => used === name) ? " (theirs)" : ""}</option>`)}
      </select></${Field}>
    </div>
    ${ready
      ? html`<${Draft} key=${`${version} ${action} ${schema ? "form" : "json"}`} ids=${ids} version=${version}
        action=${action === OTHER ? "" : action} schema=${other ? null : schema} schemaError=${error}
          retry=${reload} reuse=${reuse} onSent=${onSent} />`
      : html`<p class="empty">${action ? "Reading the schema…" : "Choose an action."}</p>`}
  </${Section}>`;
}

function Draft({ ids, version, action, schema, schemaError, retry, reuse, onSent }) {
  const { may_change: mayChange } = useMe();
  const key = `${version} ${action}`;
  const [draft, set] = useState(() => drafts.get(key) ?? newDraft(schema));
  const [attempted, setAttempted] = useState(false);
  const setDraft = (next) => {
    set(next);
    drafts.delete(key);
    drafts.set(key, next);
    if (drafts.size > MAX_DRAFTS) drafts.delete(drafts.keys().next().value);
  };
  useEffect(() => {
    if (reuse?.key === key) set(drafts.get(key));
  }, [reuse]);
  const { json, schema: wrong } = faultsOf(draft, schema, { missing: true });
  const inForm = draft.mode === "form" && schema;
  const title = `Send ${action} to ${count(ids.length)} charge points?`;
  const text = "At most eight CALLs are on their way at a time. You can stop in between.";
  const submit = async (event) => {
    event.preventDefault();
    setAttempted(true);
    if (!mayChange || !ids.length || !action || json) return;
    if (inForm && wrong.size) return focusFault();
    if (ids.length > 1 && !(await confirmed({ title, text, action: "Send" }))) return;
    onSent({ to: ids, version, action, payload: draft.text, time: new Date().toISOString() });
    start({ to: ids, action, payload: draft.text }).catch((error) => note(error.message, "bad"));
    document.querySelector(".call-came")?.scrollIntoView({ block: "nearest" });
  };
  const missing = !ids.length ? "Add a charge point first." : !action ? "Enter the name of the action." : null;
  const whom = ids.length === 1 ? ids[0] : `${count(ids.length)} charge points`;
  const anyway = !inForm && wrong.size > 0 && !json ? " anyway" : "";
  return html`<form class="call-form" onSubmit=${submit} noValidate>
    <${Payload} schema=${schema} schemaError=${schemaError} retry=${retry} draft=${draft} setDraft=${setDraft} attempted=${attempted} />
    <div class="actions send">
      <${ChangeButton} type="submit" class="primary"
        disabled=${Boolean(missing || json)}>${missing ? "Send" : `Send ${action} to ${whom}${anyway}`}</${ChangeButton}>
      <button type="button" onClick=${() => (setDraft(newDraft(schema)), setAttempted(false))}>Start over</button>
      ${missing && html`<span class="soft">${missing}</span>`}
      ${attempted && inForm && wrong.size > 0 && html`<span class="fault" role="alert">
        ${wrong.size === 1 ? "A field is not right." : `${count(wrong.size)} fields are not right.`} JSON can be sent as it is.</span>`}
    </div>
  </form>`;
}

/** After the next drawing, which marks the fields. */
function focusFault() {
  requestAnimationFrame(() => document.querySelector('.call-form [aria-invalid="true"]')?.focus());
}
