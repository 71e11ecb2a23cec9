// Edits a new version, checks it, and sends it: to add a transform, to replace one, or to start a trial.
import { html, useState } from "../../lib/ui.js";
import { programFault } from "../../lib/faults.js";
import { FailureText } from "../../lib/trace.js";
import { ChangeButton } from "../../lib/widgets.js";
import { confirmedLive } from "./changes.js";
import { draft, isEmpty, isOutdated, versionOf } from "./version.js";
import { VersionForm } from "./version-form.js";

/**
 * `name` and `live`: the running version, null for a new transform. `check(version)`: asks the gateway and resolves to what it says, as
 * elements; `send(version)`: makes the change and resolves to whether it was made. `version`: `{settings, file, fewerHooks}`.
 */
export function VersionEditor({ name, live, check, send, sends, onClose, children }) {
  const [edited, setEdited] = useState(null);
  const [fewerHooks, setFewerHooks] = useState(false);
  const [state, setState] = useState({});
  const value = edited ?? draft(live);
  const change = (part) => {
    setEdited({ ...value, ...part });
    // A mark or a report is of the text before.
    setState({});
  };
  const made = (from) => {
    const version = { ...versionOf(from, value), fewerHooks };
    if (isEmpty(version)) throw new Error("Nothing differs from what runs: change the program, the settings or the component.");
    return version;
  };
  const run = (task) => async () => {
    setState({ isBusy: true });
    try {
      setState(await task());
    } catch (error) {
      setState({ error, marks: { program: programFault(error.message), settings: error.mark } });
    }
  };
  const doCheck = run(async () => ({ report: await check(made(live)) }));
  const doSend = run(async () => {
    // What is wrong with it is said before the question.
    made(live);
    const now = live && (await confirmedLive(name, value));
    if (live && !now) return {};
    if (await send(made(now))) setEdited(null);
    return {};
  });
  const { isBusy, error, marks = {}, report } = state;
  const hasPlace = marks.program || marks.settings;
  const back = () => (setEdited(null), setState({}));
  return html`${children}
    ${isOutdated(live, value) && html`<div class="notice warn" role="status">
      <p>It was changed since you began: ${changedText(value.base.text, live.mark.text)}. Your version does not have that change.</p>
      <button type="button" onClick=${back}>Begin again with what runs</button>
    </div>`}
    <${VersionForm} live=${live} value=${value} onChange=${change} marks=${marks} />
    ${live && html`<label class="check">
      <input type="checkbox" checked=${fewerHooks} onChange=${(event) => setFewerHooks(event.target.checked)} />
      It may have fewer hooks than what runs
    </label>`}
    ${error && !hasPlace && html`<div class="notice bad" role="alert"><${FailureText} text=${error.message} /></div>`}
    ${report}
    <div class="actions">
      <${ChangeButton} disabled=${isBusy} onClick=${doCheck}>Check</${ChangeButton}>
      <${ChangeButton} class="primary" disabled=${isBusy} onClick=${doSend}>${sends}</${ChangeButton}>
      ${edited && live && html`<button type="button" onClick=${back}>Back to what runs</button>`}
      ${onClose && html`<button type="button" onClick=${onClose}>Cancel</button>`}
      <span class="soft" role="status">${isBusy ? "The gateway loads and tries it…" : ""}</span>
    </div>`;
}

function changedText(before, now) {
  return before === now ? `${now} has other settings` : `${before} → ${now}`;
}
