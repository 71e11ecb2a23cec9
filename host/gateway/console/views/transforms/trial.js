// A version beside the one that runs: how it does, and what comes of it.
import { html, useState } from "../../lib/ui.js";
import { request } from "../../lib/api.js";
import { Diff } from "../../lib/diff.js";
import { usePoll } from "../../lib/poll.js";
import { Badge, ChangeButton, confirmed, Empty, Failure, note, Prose, Section, Time } from "../../lib/widgets.js";
import { makeChange, transformPath } from "./changes.js";
import { Differences } from "./trial-differences.js";
import { CanaryFigures, ShadowFigures } from "./trial-figures.js";
import { StartTrial } from "./trial-start.js";
import { versionText } from "./words.js";

export function Trial({ name, details, reload, query }) {
  const path = transformPath(name, "trial");
  // One that has ended is shown until it is forgotten; there is nothing to read again in it.
  const trial = usePoll(path, { every: details.trial ? 2000 : 0 });
  const isNone = trial.error?.status === 404;
  const again = () => (trial.reload(), reload());
  if (!trial.data && !isNone) return html`<${Failure} error=${trial.error} retry=${trial.reload} />`;
  if (isNone) return html`<${StartTrial} name=${name} details=${details} onStart=${again} />`;
  const isRunning = trial.data.state === "running";
  return html`<${TrialFacts} name=${name} path=${path} trial=${trial.data} details=${details} again=${again} />
    ${trial.data.shadow && html`<${Differences} trial=${trial.data} query=${query} />`}
    ${!isRunning && html`<${StartTrial} name=${name} details=${details} onStart=${again} />`}`;
}

function TrialFacts({ name, path, trial, details, again }) {
  const { mode, state, reason, started_at: start, ended_at: end, candidate, live, kept, warnings, shadow, canary } = trial;
  const isRunning = state === "running";
  const facts = [
    ["State", html`<${Badge} tone=${isRunning ? "info" : "none"}>${state}</${Badge}> <${Since} start=${start} end=${end} />`],
    reason && ["Why it ended", html`<${Prose} text=${reason} />`],
    ["Takes part", participants(trial)],
    ["Candidate", versionText(candidate)],
    ["Live", versionText(live)],
    isRunning && ["After a restart", kept ? "it goes on" : "it is gone"],
  ].filter(Boolean);
  return html`<${Section} title=${mode === "shadow" ? "Shadow" : "Canary"}
      actions=${html`<${TrialActions} name=${name} path=${path} isRunning=${isRunning} again=${again} />`}>
    ${warnings.map((warning) => html`<div key=${warning} class="notice warn"><p><${Prose} text=${warning} /></p></div>`)}
    <dl class="facts">${facts.map(([key, value]) => html`<dt key=${key}>${key}</dt><dd key=${`${key} is`}>${value}</dd>`)}</dl>
    ${shadow && html`<${ShadowFigures} shadow=${shadow} />`}
    ${canary && html`<${CanaryFigures} canary=${canary} />`}
    ${trial.settings && details.settings && html`<${ChangedSettings} live=${details.settings} candidate=${trial.settings} />`}
  </${Section}>`;
}

function Since({ start, end }) {
  return end ? html`ended <${Time} value=${end} relative />` : html`started <${Time} value=${start} relative />`;
}

/** Which charge points take part, and how many of the connected ones these are. */
function participants({ percent, charge_points: pattern, selected, connected }) {
  const share = percent ? `${percent} % of the charge points` : pattern ? "charge points" : "all charge points";
  return `${share}${pattern ? ` that match ${pattern}` : ""}: ${selected} of ${connected} connected`;
}

function TrialActions({ name, path, isRunning, again }) {
  const [error, setError] = useState(null);
  const run = (task) => () => (setError(null), task().catch(setError));
  const promote = run(async () => {
    const done = `The candidate of ${name} runs for all charge points.`;
    const words = { title: `Promote the candidate of ${name}?`, action: "Promote", done };
    const text = "It takes the place of what runs, for all charge points. A rollback takes it back.";
    if (await makeChange({ path: `${path}/promote`, method: "POST", ...words, text })) again();
  });
  const end = run(async () => {
    const question = { title: `End the trial of ${name}?`, text: "All charge points return to what runs.", action: "End it" };
    if (isRunning && !(await confirmed(question))) return;
    await request(path, { method: "DELETE" });
    note(isRunning ? "The trial has ended." : "The trial is forgotten.");
    again();
  });
  return html`${error && html`<span class="fault" role="alert">${error.message}</span>`}
    ${isRunning && html`<${ChangeButton} class="primary" onClick=${promote}>Promote…</${ChangeButton}>`}
    <${ChangeButton} onClick=${end}>${isRunning ? "End it…" : "Forget it"}</${ChangeButton}>`;
}

function ChangedSettings({ live, candidate }) {
  const [before, after] = [settingsText(live), settingsText(candidate)];
  if (before === after) return html`<${Empty}>The settings are those of the live version.</${Empty}>`;
  return html`<h3>What the candidate changes</h3>
    <${Diff} before=${before} after=${after} label="Settings of the live version and of the candidate" />`;
}

/** Settings as lines; a program as it was written, so that its lines can be compared. */
function settingsText({ config: { program, ...config } = {}, ...rest }) {
  const settings = Object.keys(config).length ? { config, ...rest } : rest;
  return [program, JSON.stringify(settings, null, 2)].filter(Boolean).join("\n");
}
