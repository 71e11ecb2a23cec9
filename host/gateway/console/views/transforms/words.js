// What the API says of transforms, in words.
import { html } from "../../lib/ui.js";
import { count, sentence, shortHash } from "../../lib/format.js";
import { href } from "../../lib/router.js";
import { Badge } from "../../lib/widgets.js";

const ORIGINS = { configuration: "the configuration", "drop-in": "the drop-in directory", api: "the API", default: "the default mapping" };

export function originText(origin) {
  return ORIGINS[origin] ?? origin;
}

/** `builtin:jq 0.1.0 · 04c173df1dc7 · program 77aa…` */
export function versionText({ component, version, sha256, program_sha256: program }) {
  return [`${component} ${version}`, shortHash(sha256), program && `program ${shortHash(program)}`].filter(Boolean).join(" · ");
}

/** Which messages a transform is for: `ACME-* · ocpp1.6 · MeterValues`. */
export function matchText(match) {
  const lists = ["charge_points", "versions", "actions", "directions"].map((key) => match?.[key] ?? []);
  return lists.filter((list) => list.length).map((list) => list.join(", ")).join(" · ") || "all";
}

/** Its hooks, with `-` in their names. The hook `mapping` is `to-mqtt` and `from-mqtt`. */
export function hooksOf({ hooks }) {
  const names = (hooks ?? []).map((name) => name.replaceAll("_", "-"));
  return new Set(names.flatMap((name) => (name === "mapping" ? ["to-mqtt", "from-mqtt"] : [name])));
}

/** What is out of the ordinary about a transform: `[[tone, text]]`. `hook`: as far as it concerns this hook. */
export function conditions(transform, hook) {
  const { stopped, stopped_hooks: hooks = [], stopped_charge_points: points, last_fault: fault } = transform;
  const names = hooks.map((name) => name.replaceAll("_", "-"));
  // The breaker may name the two directions of a mapping as one hook.
  const concerns = (name) => !hook || name === hook || (name === "mapping" && hook.endsWith("-mqtt"));
  const found = names.filter(concerns).map((name) => ["bad", `${name} stopped`]);
  if (stopped && !names.length) found.push(["bad", "a hook is stopped"]);
  if (points > 0) found.push(["warn", `stopped for ${count(points)} charge point${points === 1 ? "" : "s"}`]);
  if (fault && !hook) found.push(["warn", "last change failed"]);
  return found;
}

/** How a transform that fails is repaired. A rollback needs a version before. */
export function repair({ origin, previous_version: previous }) {
  const rollback = previous ? "Roll back, or " : "";
  if (origin !== "drop-in") return sentence(`${rollback}put a repaired version live`);
  return sentence(`${rollback}correct its file in the drop-in directory, or remove it there`);
}

/** Badges: what is out of the ordinary, the trial, the upload. */
export function Conditions({ transform, hook }) {
  const found = conditions(transform, hook);
  const { name, trial, upload } = transform;
  return html`${found.map(([tone, text]) => html`<${Badge} key=${text} tone=${tone}>${text}</${Badge}> `)}
    ${trial && html`<a href=${href(["transforms", name], { tab: "trial" })}><${Badge} tone="info">${trial}</${Badge}></a> `}
    ${upload && !hook && html`<${Badge}>upload ${upload.number}</${Badge}>`}
    ${!hook && !found.length && !trial && !upload && html`<${Badge} tone="ok">runs</${Badge}>`}`;
}
