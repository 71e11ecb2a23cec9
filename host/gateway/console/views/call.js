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
import { actionsOf, Groups, useRecipients, versionName, versionsOf } from "./call/versions.js";

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
          <${Mixed} versions=${versions} version=${version} /></${Section}>
        ${schemas.data && html`<${Compose} ids=${ids} rows=${rows} version=${version} versions=${versions} action=${query.action}
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

/** Says that the charge points do not all speak one version. Who gets the CALL is said beside its button. */
function Mixed({ versions, version }) {
  if (!versions.length || (versions.length === 1 && versions[0][0] === version)) return null;
  const text = versions.map(([name, number]) => `${versionName(name)}: ${count(number)}`).join(", ");
  return html`<p class="soft">${text}. The form is that of ${versionName(version)}: a CALL goes to those that know it.</p>`;
}

function Compose({ ids, rows, version, versions, action, schemas, reuse, onSent }) {
  const known = actionsOf(schemas, version);
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
          value=${name}>${versionName(name)}${versions.some(([used]) => used === name) ? " (theirs)" : ""}</option>`)}
      </select></${Field}>
    </div>
    ${ready
      ? html`<${Draft} key=${`${version} ${action} ${schema ? "form" : "json"}`} ids=${ids} rows=${rows} version=${version}
        schemas=${schemas} action=${action === OTHER ? "" : action} schema=${other ? null : schema} schemaError=${error}
          retry=${reload} reuse=${reuse} onSent=${onSent} />`
      : html`<p class="empty">${action ? "Reading the schema…" : "Choose an action."}</p>`}
  </${Section}>`;
}

function Draft({ ids, rows, version, schemas, action, schema, schemaError, retry, reuse, onSent }) {
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
  const value = inForm ? draft.value : json ? null : JSON.parse(draft.text);
  const { to, groups } = useRecipients({ ids, rows, version, action, known: schemas, value, complete: wrong.size === 0 });
  const title = `Send ${action} to ${count(to.length)} charge points?`;
  const text = "At most eight CALLs are on their way at a time. You can stop in between.";
  const submit = async (event) => {
    event.preventDefault();
    setAttempted(true);
    if (!mayChange || missing || json) return;
    if (inForm && wrong.size) return focusFault();
    if (to.length > 1 && !(await confirmed({ title, text, action: "Send" }))) return;
    onSent({ to, version, action, payload: draft.text, time: new Date().toISOString() });
    start({ to, action, payload: draft.text }).catch((error) => note(error.message, "bad"));
    document.querySelector(".call-came")?.scrollIntoView({ block: "nearest" });
  };
  const missing = missingFor({ ids, rows, to, action });
  const part = to.length < ids.length ? ` of ${count(ids.length)}` : "";
  const whom = to.length === 1 && !part ? to[0] : `${count(to.length)}${part} charge points`;
  const anyway = !inForm && wrong.size > 0 && !json ? " anyway" : "";
  return html`<form class="call-form" onSubmit=${submit} noValidate>
    <${Payload} schema=${schema} schemaError=${schemaError} retry=${retry} draft=${draft} setDraft=${setDraft} attempted=${attempted} />
    ${action && html`<${Groups} groups=${groups} action=${action} />`}
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

/** What has to be done before the CALL can be sent; null: nothing. */
function missingFor({ ids, rows, to, action }) {
  if (!ids.length) return "Add a charge point first.";
  if (!action) return "Enter the name of the action.";
  // Which version it speaks is not known yet.
  if (ids.some((id) => rows?.get(id) === undefined)) return "Reading the charge points…";
  return to.length ? null : "Choose the form of their version first.";
}

/** After the next drawing, which marks the fields. */
function focusFault() {
  requestAnimationFrame(() => document.querySelector('.call-form [aria-invalid="true"]')?.focus());
}
