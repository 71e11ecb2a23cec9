// What there is to know about a transform: facts, settings in force, log.
import { html } from "../../lib/ui.js";
import { Code } from "../../lib/code.js";
import { bytes, count, seconds } from "../../lib/format.js";
import { usePoll } from "../../lib/poll.js";
import { href } from "../../lib/router.js";
import { levelTone } from "../../lib/trace.js";
import { Badge, Empty, Failure, ScrollX, Section, Time } from "../../lib/widgets.js";
import { transformPath } from "./changes.js";
import { Figures } from "./figures.js";
import { editable } from "./version.js";
import { Conditions, matchText, originText, versionText } from "./words.js";

export function Facts({ details }) {
  const { component, built_as: builtAs, version, sha256, program_sha256: program, size, origin, upload, hooks } = details;
  const { previous_version: previous, previous_sha256: previousHash, previous_program_sha256: previousProgram } = details;
  const before = { component: "version", version: previous, sha256: previousHash, program_sha256: previousProgram };
  const sender = upload?.token ? `${upload.from} (${upload.token})` : upload?.from;
  const facts = [
    ["State", html`<${Conditions} transform=${details} />`],
    ["Comes from", originText(origin)],
    ["Component", `${component}, ${builtAs} ${version}, ${bytes(size)}`],
    ["SHA-256", html`<code>${sha256}</code>`],
    program && ["SHA-256 of the program", html`<code>${program}</code>`],
    upload && ["Upload", html`number ${upload.number}, <${Time} value=${upload.at} />, from ${sender}`],
    ["Hooks", hooks?.join(", ") || "–"],
    ["For", matchText(details.match ?? details.settings?.match)],
    ["If it fails", details.settings?.on_error ?? "–"],
    ["A rollback returns to", previous ? versionText(before) : "–"],
  ].filter(Boolean);
  const { calls, refusals, failures, mean_call_us: time } = details;
  const figures = [
    ["Calls", count(calls)],
    ["Refusals", count(refusals)],
    ["Failures", count(failures), failures > 0 && "bad"],
    ["Time per call", seconds(time === null ? null : time / 1e6)],
  ];
  return html`<${Figures} figures=${figures} />
    <${Section} title="Facts">
      <dl class="facts">${facts.map(([name, value]) => html`<dt key=${name}>${name}</dt><dd key=${`${name} is`}>${value}</dd>`)}</dl>
    </${Section}>`;
}

export function SettingsInForce({ details }) {
  if (!details.settings) return null;
  const { isJq, program, programFile, text } = editable(details);
  return html`<${Section} title="Settings in force">
    ${isJq && program && html`<${Code} text=${program} language="jq" label="Program" />`}
    ${programFile && html`<p>The program is the file <code>${programFile}</code>.</p>`}
    <details class="settings" open=${!isJq}><summary>Settings</summary><${Code} text=${text} label="Settings" /></details>
  </${Section}>`;
}

/** Lines of the log that name the transform, the latest first. */
export function LogOf({ name }) {
  const { data, error, reload } = usePoll(transformPath(name, "log"), { every: 5000 });
  const lines = data?.lines ?? [];
  return html`<${Section} title="Log">
    <${Failure} error=${error} retry=${reload} />
    ${data && !lines.length && html`<${Empty}>The log has not named it since the start.</${Empty}>`}
    ${lines.length > 0 && html`<${ScrollX} label="Lines of the log" class="log-lines"><table>
      <thead><tr>${["Time", "Level", "Charge point", "Text"].map((text) => html`<th key=${text} scope="col">${text}</th>`)}</tr></thead>
      <tbody>${lines.map(({ time, level, charge_point: id, text }, place) => html`<tr key=${`${time}${place}`}>
        <td class="nowrap"><${Time} value=${time} /></td>
        <td><${Badge} tone=${levelTone(level)}>${level.toLowerCase()}</${Badge}></td>
        <td>${id ? html`<a href=${href(["charge-points", id])}>${id}</a>` : "–"}</td>
        <td class="log-text">${text}</td>
      </tr>`)}</tbody>
    </table><//>`}
  </${Section}>`;
}
