// Which of several charge points get a CALL, and why others do not: they speak different versions of OCPP.
import { html, useEffect, useState } from "../../lib/ui.js";
import { request } from "../../lib/api.js";
import { count } from "../../lib/format.js";
import { setQuery } from "../../lib/router.js";
import { faults } from "./schema.js";

/** `ocpp2.0.1` as `OCPP 2.0.1`. */
export function versionName(version) {
  return version.replace("ocpp", "OCPP ");
}

/** The actions that a back end sends, by `/api/v1/schemas`. */
export function actionsOf(schemas, version) {
  return (schemas?.[version] ?? []).filter((one) => one.sent_by.includes("csms")).map((one) => one.action);
}

/** `[[version, number of charge points]]`, the commonest first. */
export function versionsOf(ids, rows) {
  const numbers = new Map();
  for (const id of ids) {
    const version = rows?.get(id)?.version;
    if (version) numbers.set(version, (numbers.get(version) ?? 0) + 1);
  }
  return [...numbers].sort(([, a], [, b]) => b - a);
}

/** The schemas of an action in these versions: a Map, without those that are not read yet; null: it has no such action. */
function useSchemas(versions, action) {
  const [read, setRead] = useState({ action: null, found: new Map() });
  useEffect(() => {
    const stop = new AbortController();
    const kept = (old) => (old.action === action ? old.found : []);
    const take = (version, schema) => {
      if (!stop.signal.aborted) setRead((old) => ({ action, found: new Map([...kept(old), [version, schema]]) }));
    };
    for (const version of versions) {
      const reading = request(`/api/v1/schemas/${version}/${encodeURIComponent(action)}`, { signal: stop.signal });
      reading.then((schema) => take(version, schema), (error) => error.status === 404 && take(version, null));
    }
    return () => stop.abort();
  }, [versions.join(), action]);
  return read.action === action ? read.found : new Map();
}

/**
 * Which charge points get a CALL that was made for `version`: `{to, groups}`. `groups`, by version: `[{version, ids, reason, isOpen}]`:
 * `reason` why they do not get it, null for those that do; `isOpen`: whether that depends on what is entered yet; `version` null for those
 * that are not known. `known`: `/api/v1/schemas`; `value`: the payload, null if it is no JSON; `complete`: whether all of it is entered.
 */
export function useRecipients({ ids, rows, version, action, known, value, complete }) {
  const knowIt = (of) => actionsOf(known, of).includes(action);
  const others = versionsOf(ids, rows).map(([name]) => name).filter((name) => name !== version && knowIt(name));
  const schemas = useSchemas(others, action);
  const byVersion = new Map();
  for (const id of ids) {
    const of = rows?.get(id)?.version ?? null;
    if (!byVersion.has(of)) byVersion.set(of, []);
    byVersion.get(of).push(id);
  }
  // An action of a vendor is in no schema: whether a charge point knows it is not known here.
  const isVendors = !Object.values(known ?? {}).some((list) => list.some((one) => one.action === action));
  const reasonFor = (of) => {
    if (of === null || of === version || isVendors) return null;
    if (!knowIt(of)) return `${versionName(of)} has no ${action}.`;
    const schema = schemas.get(of);
    if (schema === undefined) return "Its schema is being read.";
    const [first] = schema && value ? faults(schema, schema, value, { missing: complete }) : [];
    return first ? `The payload does not match ${versionName(of)}, at ${first[0] || "/"}: ${first[1]}` : null;
  };
  // What is not entered yet may turn out not to match.
  const isOpen = (of) => !complete && others.includes(of);
  const groups = [...byVersion].map(([of, members]) => ({ version: of, ids: members, reason: reasonFor(of), isOpen: isOpen(of) }));
  const left = new Set(groups.filter(({ reason }) => reason).flatMap((group) => group.ids));
  return { groups, to: ids.filter((id) => !left.has(id)) };
}

/** Says who gets the CALL, if not all speak one version. */
export function Groups({ groups, action }) {
  if (groups.length < 2 && !groups.some(({ reason }) => reason)) return null;
  const left = groups.some(({ reason }) => reason);
  return html`<div class=${`notice ${left ? "warn" : "info"} call-groups`} role="status"><ul aria-label="Who gets the CALL">
    ${groups.map(({ version, ids, reason, isOpen }) => html`<li key=${version}>
      <strong>${version ? versionName(version) : "Version not known"}</strong>:
      ${" "}${ids.length === 1 ? ids[0] : `${count(ids.length)} charge points`}
      ${" – "}${reason ? `left out. ${reason} ` : ids.length === 1 ? "gets it" : "get it"}${!reason &&
        (isOpen ? ", if the payload matches this version." : ".")}
      ${reason && html`<button type="button" class="link"
        onClick=${() => setQuery({ version, action })}>Show the form of ${versionName(version)}</button>`}
    </li>`)}
  </ul></div>`;
}
