// Changes of transforms: what they would do, the question, and the change itself.
import { html } from "../../lib/ui.js";
import { request } from "../../lib/api.js";
import { confirmed, note, Prose } from "../../lib/widgets.js";
import { editable, isOutdated } from "./version.js";
import { versionText } from "./words.js";

/** The page of a transform in the API. */
export function transformPath(name, ...rest) {
  return ["/api/v1/transforms", ...[name, ...rest].map(encodeURIComponent)].join("/");
}

/**
 * The version of a transform that runs now, read again, as `editable` gives it: before something takes its place. Asks if it is not the one
 * with which the edited version began: another tab, or another person, was faster. Null: not confirmed.
 */
export async function confirmedLive(name, edited) {
  const live = editable(await request(transformPath(name)));
  if (!isOutdated(live, edited)) return live;
  const [before, now] = [edited.base.text, live.mark.text];
  const text = html`<span class="line">You began with ${before}.</span>
    <span class="line">Now ${before === now ? "the same program runs with other settings" : `${now} runs`}.</span>
    <span class="line">Your version does not have what was changed since: that would be undone.</span>`;
  return (await confirmed({ title: `${name} was changed since you began`, text, action: "Go on" })) ? live : null;
}

/** What would change. */
export function dryRun({ path, method, query, body }) {
  return request(path, { method, query: { ...query, dry_run: true }, body });
}

/**
 * Asks the gateway what a change would do, shows it, and makes the change if that is confirmed. Resolves to the answer; null if nothing is
 * changed. Throws what the gateway refuses.
 */
export async function makeChange({ path, method, query, body, title, action, text, done }) {
  const preview = await dryRun({ path, method, query, body });
  if (!preview.changed) {
    note("Nothing would change: this runs already.");
    return null;
  }
  const question = html`${text && html`<span class="line">${text}</span>`}<${ChangeLines} answer=${preview} />`;
  if (!(await confirmed({ title, text: question, action }))) return null;
  const answer = await request(path, { method, query, body });
  note(done ?? "Done.");
  return answer;
}

/** What a dry run says, or what was done. */
export function ChangeReport({ answer }) {
  const words = answer.changed ? "It loads, and passes its samples. What would change:" : "Nothing would change: this runs already.";
  return html`<div class=${`notice ${answer.warnings.length ? "warn" : answer.changed ? "ok" : "info"}`} role="status">
    <div><p>${words}</p>${answer.changed && html`<p><${ChangeLines} answer=${answer} /></p>`}</div>
  </div>`;
}

const KEPT = "The version that runs stays. What is stored for a restart changes.";
const REORDERED = "The order changes. No version is replaced.";

function ChangeLines({ answer: { changes, warnings, kept } }) {
  const shown = changes.filter(({ change }) => change !== "kept");
  return html`${shown.map((change) => html`<span class="line" key=${change.name}>${changeText(change)}</span>`)}
    ${!shown.length && html`<span class="line">${changes.length ? KEPT : REORDERED}</span>`}
    ${!kept && html`<span class="line">It lasts until the gateway stops: storage.directory is not set.</span>`}
    ${warnings.map((warning) => html`<span class="line" key=${warning}>Warning: <${Prose} text=${warning} /></span>`)}`;
}

function changeText({ name, change, now, before }) {
  if (change === "added") return `${name} is added: ${versionText(now)}`;
  if (change === "removed") return `${name} is removed: ${versionText(before)}`;
  if (now && before && versionText(now) === versionText(before)) return `${name} gets other settings: ${versionText(now)}`;
  return `${name} is replaced: ${before ? versionText(before) : "–"} → ${now ? versionText(now) : "–"}`;
}
