// What can be done with a candidate: put it live, try it as a shadow, take it along as a file.
import { request } from "../../lib/api.js";
import { go } from "../../lib/router.js";
import { html, useState } from "../../lib/ui.js";
import { FailureText } from "../../lib/trace.js";
import { ChangeButton, confirmed, download, note, Prose } from "../../lib/widgets.js";
import { confirmedLive, dryRun, makeChange, transformPath } from "../transforms/changes.js";
import { isEmpty, usesProgram, versionOf } from "../transforms/version.js";
import { originText } from "../transforms/words.js";
import { dropInFiles } from "./drop-in.js";
import { settingsBeside } from "./state.js";

/** `asked`: as `candidateOf` gives it; `isReady`: whether it can be sent; `details`: of the transform that it takes the place of. */
export function Actions({ state, change, live, details, edited, asked, isReady, onDone }) {
  const [error, setError] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const isNew = state.candidate === "new";
  const name = isNew ? state.name : state.candidate.slice(3);
  const version = asked.version;
  const differs = isNew || (version && !isEmpty(version));
  const run = (task) => async () => {
    setError(null);
    setBusy(true);
    await task().catch(setError);
    setBusy(false);
  };
  const reset = () => change({ drafts: Object.fromEntries(Object.entries(state.drafts).filter(([key]) => key !== name)) });
  /** What is sent, for what runs by now; null if that is another version, and it was not confirmed. */
  const settingsNow = async () => {
    const now = await confirmedLive(name, edited);
    return now && versionOf(now, edited).settings;
  };
  const putLive = run(async () => {
    const body = isNew ? asked.candidate : await settingsNow();
    const made = body && (await makeChange(isNew
      ? { path: "/api/v1/transforms", method: "POST", body, ...words(name, "add") }
      : { path: transformPath(name), method: "PUT", body, ...words(name, "replace") }));
    if (!made) return;
    if (isNew) change({ candidate: `in:${name}` });
    else reset();
    onDone();
  });
  const shadow = run(async () => {
    const settings = await settingsNow();
    if (settings && (await startShadow(name, settings))) go(["transforms", name], { tab: "trial" });
  });
  const take = run(() => takeAsFiles({ name, live, details, edited }));
  const isBlocked = isBusy || !isReady || !differs;
  const reason = !differs ? "Nothing differs from what runs." : undefined;
  return html`<div class="actions play-actions">
      <${ChangeButton} class="primary" disabled=${isBlocked} title=${reason} onClick=${putLive}>Put live…</${ChangeButton}>
      <${ChangeButton} disabled=${isBlocked || isNew} onClick=${shadow}
        title=${isNew ? "A trial runs beside a transform that is live. Put this one live for few charge points first: match." : reason}
        >Try as shadow…</${ChangeButton}>
      <button type="button" disabled=${!isReady} onClick=${take}>Download as drop-in</button>
      ${!isNew && state.drafts[name] && html`<button type="button" onClick=${reset}>Back to what runs</button>`}
    </div>
    ${isNew && html`<p class="soft">A shadow runs beside a transform that is live: put this one live for few charge points first
      (match), or choose the transform that it is to change as candidate.</p>`}
    ${error && html`<div class="notice bad" role="alert"><${FailureText} text=${error.message} /></div>`}`;
}

function words(name, what) {
  const title = what === "add" ? `Add ${name}?` : `Replace ${name}?`;
  return { title, action: "Put live", done: what === "add" ? `${name} runs.` : `The new version of ${name} runs.` };
}

/** Whether it was started. */
async function startShadow(name, settings) {
  const trial = { path: transformPath(name, "trial"), method: "POST", query: { mode: "shadow" }, body: settings };
  const { connected, selected, warnings } = await dryRun(trial);
  const text = html`<span class="line">It sees copies of the messages of all charge points: ${selected} of ${connected} connected.</span>
    <span class="line">Nothing that it does has an effect.</span>
    ${warnings.map((warning) => html`<span class="line" key=${warning}>Warning: <${Prose} text=${warning} /></span>`)}`;
  if (!(await confirmed({ title: `Try it beside ${name}?`, text, action: "Start" }))) return false;
  await request(trial.path, trial);
  note(`The shadow of ${name} runs.`);
  return true;
}

/** Downloads the files. A transform that is a drop-in keeps the names of its files. */
async function takeAsFiles({ name, live, details, edited }) {
  let stem = `50-${name}`;
  if (details?.origin === "drop-in") {
    const { drop_ins: dropIns } = await request("/api/v1/drop-ins");
    stem = dropIns.find(({ transform }) => transform === name)?.files[0]?.replace(/\.[^.]*$/, "") ?? stem;
  }
  const component = details?.component.startsWith("upload of") ? null : live?.component;
  const program = usesProgram(live, edited) ? edited.program : null;
  const files = dropInFiles({ stem, program, component, settings: settingsBeside(edited.text) });
  files.forEach((file) => download(file.name, file.text));
  const isElsewhere = details && details.origin !== "drop-in";
  const first = isElsewhere ? ` Remove ${name} from ${originText(details.origin)} first: no two transforms have the same name.` : "";
  note(`Copy ${files.map((file) => file.name).join(" and ")} to the drop-in directory.${first}`);
}
