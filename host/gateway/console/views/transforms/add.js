// A new transform.
import { html, useState } from "../../lib/ui.js";
import { Field, Section } from "../../lib/widgets.js";
import { ChangeReport, dryRun, makeChange } from "./changes.js";
import { Position } from "./position.js";
import { bodyOf } from "./version.js";
import { VersionEditor } from "./version-editor.js";

export function AddTransform({ transforms, onClose }) {
  const [name, setName] = useState("");
  const [before, setBefore] = useState("");
  const isTaken = transforms.some((transform) => transform.name === name);
  const target = ({ settings, file }) => {
    if (!name) throw new Error("Name the transform.");
    const body = bodyOf({ settings: { name, ...(before && { before }), ...settings }, file });
    return { path: "/api/v1/transforms", method: "POST", body };
  };
  const check = async (version) => html`<${ChangeReport} answer=${await dryRun(target(version))} />`;
  const send = async (version) => {
    const made = await makeChange({ ...target(version), title: `Add ${name}?`, action: "Put live", done: `${name} runs.` });
    if (made) onClose();
    return made;
  };
  return html`<${Section} title="Add a transform">
    <${VersionEditor} live=${null} check=${check} send=${send} sends="Put live…" onClose=${onClose}>
      <div class="form-row">
        <${Field} label="Name" fault=${isTaken && "A transform of this name runs."}>
          <input value=${name} spellcheck=${false} required onInput=${(event) => setName(event.target.value.trim())} />
        </${Field}>
        <${Field} label="Position"><${Position} value=${before} transforms=${transforms} onChange=${setBefore} /></${Field}>
      </div>
    </${VersionEditor}>
  </${Section}>`;
}
