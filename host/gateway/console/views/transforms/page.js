// The page of a transform.
import { html, useState } from "../../lib/ui.js";
import { usePoll } from "../../lib/poll.js";
import { go, href, setQuery } from "../../lib/router.js";
import { FailureText } from "../../lib/trace.js";
import { ChangeButton, Failure, Page, Section, Tabs, Time } from "../../lib/widgets.js";
import { ChangeReport, dryRun, makeChange, transformPath } from "./changes.js";
import { Facts, LogOf, SettingsInForce } from "./facts.js";
import { History } from "./history.js";
import { Trial } from "./trial.js";
import { bodyOf, editable } from "./version.js";
import { VersionEditor } from "./version-editor.js";
import { conditions, repair } from "./words.js";

const BACK = { path: ["transforms"], text: "Transforms" };

export function TransformPage({ name, query }) {
  const { data, error, reload } = usePoll(transformPath(name), { every: 3000 });
  const trial = data?.trial ? `Trial: ${data.trial}` : "Trial";
  const tabs = [["", "Overview"], ["change", "New version"], ["history", "History"], ["trial", trial]];
  const tab = tabs.some(([key]) => key === query.tab) ? query.tab : "";
  const actions = data && html`<${Actions} name=${name} details=${data} reload=${reload} />`;
  return html`<${Page} title=${name} subtitle=${data?.component ?? " "} back=${BACK} actions=${actions}>
    <${Failure} error=${error} retry=${reload} />
    ${data && html`<${Faults} details=${data} />
      <${Tabs} label="Parts of the page" items=${tabs} value=${tab} onChange=${(key) => setQuery({ tab: key })} />
      ${tab === "" && html`<${Facts} details=${data} /><${SettingsInForce} details=${data} /><${LogOf} name=${name} />`}
      ${tab === "change" && html`<${NewVersion} name=${name} details=${data} reload=${reload} />`}
      ${tab === "history" && html`<${History} name=${name} details=${data} reload=${reload} />`}
      ${tab === "trial" && html`<${Trial} name=${name} details=${data} reload=${reload} query=${query} />`}`}
  </${Page}>`;
}

/** What is wrong with it now. */
function Faults({ details }) {
  const { last_fault: fault, last_fault_at: at } = details;
  const stops = conditions({ ...details, last_fault: null }).map(([, text]) => text);
  return html`${stops.length > 0 && html`<div class="notice bad" role="alert">
      <p>${stops.join("; ")}. It failed too often: it is tried again after ten seconds. Look at the log. ${repair(details)}</p>
    </div>`}
    ${fault && html`<div class="notice warn"><div>
      <p>The last change failed, <${Time} value=${at} />:</p><${FailureText} text=${fault} />
    </div></div>`}`;
}

/** Changes that need no form. */
function Actions({ name, details, reload }) {
  const [error, setError] = useState(null);
  const { previous_version: previous, component, upload, origin } = details;
  const change = (words) => async () => {
    setError(null);
    try {
      if (await makeChange({ method: "POST", ...words })) words.gone ? go(["transforms"]) : reload();
    } catch (problem) {
      setError(problem);
    }
  };
  const path = (...rest) => transformPath(name, ...rest);
  const back = { path: path("rollback"), title: `Roll ${name} back?`, action: "Roll back",
    text: "A further rollback returns to what runs now." };
  const fetchAgain = { path: path("fetch"), title: `Fetch ${name} again?`, action: "Put live" };
  const revert = { path: path("upload"), method: "DELETE", title: `Remove the upload of ${name}?`, action: "Remove it",
    text: "What the configuration says runs again. The history stays." };
  const remove = { path: path(), method: "DELETE", title: `Delete ${name}?`, action: "Delete",
    text: "Its history goes with it.", gone: true };
  return html`<a class="button" href=${href(["playground"], { transform: name })}>Open in the playground</a>
    ${previous && html`<${ChangeButton} onClick=${change(back)}>Roll back…</${ChangeButton}>`}
    ${/^(https?|oci):/.test(component) && html`<${ChangeButton} onClick=${change(fetchAgain)}>Fetch again…</${ChangeButton}>`}
    ${upload && origin !== "api" && html`<${ChangeButton} onClick=${change(revert)}>Remove the upload…</${ChangeButton}>`}
    ${origin === "api" && html`<${ChangeButton} class="danger" onClick=${change(remove)}>Delete…</${ChangeButton}>`}
    ${error && html`<p class="fault" role="alert">${error.message}</p>`}`;
}

function NewVersion({ name, details, reload }) {
  const live = editable(details);
  const target = ({ settings, file, fewerHooks }) =>
    ({ path: transformPath(name), method: "PUT", query: fewerHooks ? { allow_fewer_hooks: true } : {}, body: bodyOf({ settings, file }) });
  const check = async (version) => html`<${ChangeReport} answer=${await dryRun(target(version))} />`;
  const send = async (version) => {
    const words = { title: `Replace ${name}?`, action: "Put live", done: `The new version of ${name} runs.` };
    const made = await makeChange({ ...target(version), ...words });
    if (made) reload();
    return made;
  };
  return html`<${Section} title="A new version">
    ${details.settings ? html`<${VersionEditor} name=${name} live=${live} check=${check} send=${send}
      sends="Put live…" />`
      : html`<p class="empty">Its settings cannot be told now. Look at the fault above.</p>`}
  </${Section}>`;
}
