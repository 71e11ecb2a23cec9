// Edits a new version, checks it, and sends it: to add a transform, to replace one, or to start a trial.
import { html, useState } from "../../lib/ui.js";
import { programFault } from "../../lib/faults.js";
import { FailureText } from "../../lib/trace.js";
import { ChangeButton } from "../../lib/widgets.js";
import { draft, isEmpty, versionOf } from "./version.js";
import { VersionForm } from "./version-form.js";

/**
 * `live`: the running version, null for a new transform. `check(version)`: asks the gateway and resolves to what it says, as elements;
 * `send(version)`: makes the change and resolves to whether it was made. `version`: `{settings, file, fewerHooks}`.
 */
export function VersionEditor({ live, check, send, sends, onClose, children }) {
  const [edited, setEdited] = useState(null);
  const [fewerHooks, setFewerHooks] = useState(false);
  const [state, setState] = useState({});
  const value = edited ?? draft(live);
  const change = (part) => {
    setEdited({ ...value, ...part });
    // A mark or a report is of the text before.
    setState({});
  };
  const run = (task) => async () => {
    setState({ isBusy: true });
    try {
      const version = { ...versionOf(live, value), fewerHooks };
      if (isEmpty(version)) throw new Error("Nothing differs from what runs: change the program, the settings or the component.");
      setState(await task(version));
    } catch (error) {
      setState({ error, marks: { program: programFault(error.message), settings: error.mark } });
    }
  };
  const doCheck = run(async (version) => ({ report: await check(version) }));
  const doSend = run(async (version) => {
    if (await send(version)) setEdited(null);
    return {};
  });
  const { isBusy, error, marks = {}, report } = state;
  const hasPlace = marks.program || marks.settings;
  return html`${children}
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
      ${edited && live && html`<button type="button" onClick=${() => (setEdited(null), setState({}))}>Back to what runs</button>`}
      ${onClose && html`<button type="button" onClick=${onClose}>Cancel</button>`}
      <span class="soft" role="status">${isBusy ? "The gateway loads and tries it…" : ""}</span>
    </div>`;
}
