// A new version of a transform: what of it can be edited, and what is sent to the gateway.
//
// An edited version: `{source, program, text, named, file, base}`. `source`: `keep` (the component stays), `jq`, `named` (a ready-made one
// or an address) or `file`. `text`: the settings but component and program, as JSON. `base`: the running version with which it began, as
// `markOf` gives it.
import { jsonFault, memberPlace } from "../../lib/faults.js";
import { versionText } from "./words.js";

export const JQ = "builtin:jq";
const NO_SETTINGS = "{}";

/**
 * By which a running version is told from another one: `{text, key}`, in words with its hashes, and with its settings. `details`: of `GET
 * /api/v1/transforms/{name}`.
 */
export function markOf(details) {
  const { sha256, program_sha256: program, settings, upload } = details;
  const number = upload ? ` (version ${upload.number})` : "";
  return { text: `${versionText(details)}${number}`, key: JSON.stringify([sha256, program, settings]) };
}

/** The running version, as it is edited. `details`: of `GET /api/v1/transforms/{name}`; its settings are null while they cannot be told. */
export function editable(details) {
  // `samples` is a path, which the API does not take; `sha256` is of the component.
  const { component, samples, sha256, config = {}, ...rest } = details.settings ?? {};
  const isJq = component === JQ;
  const { program, file, ...others } = config;
  return {
    mark: markOf(details),
    component,
    isJq,
    program: isJq ? (program ?? "") : "",
    /** The path of its program, if that is a file: the API does not show its content. */
    programFile: isJq && program === undefined ? (file ?? null) : null,
    text: JSON.stringify({ config: isJq ? others : config, ...rest }, null, 2),
  };
}

/** What a new version begins with: the running one, or nothing. */
export function draft(live, source = live ? "keep" : "jq") {
  return { source, program: live?.program ?? "", text: live?.text ?? NO_SETTINGS, named: "", file: null, base: live?.mark ?? null };
}

/** Whether another version runs now than the one with which this one began. A draft that was kept from before has no base. */
export function isOutdated(live, { base }) {
  return Boolean(live && base && base.key !== live.mark.key);
}

/** A program in the settings beside the field for it, which would lose: a place in the settings; null without one. */
export function secondProgram(live, edited) {
  if (!usesProgram(live, edited) || jsonFault(edited.text)) return null;
  const name = ["program", "file"].find((key) => memberPlace(edited.text, ["config", key]));
  if (!name) return null;
  const text = `config.${name} would lose against the field Program: type the program there, and remove config.${name} here.`;
  return { ...memberPlace(edited.text, ["config", name]), text };
}

export function usesProgram(live, { source }) {
  return source === "jq" || (source === "keep" && Boolean(live?.isJq));
}

/**
 * The settings that differ from the running version, and the component: `{settings, file}`. Keys that were deleted are null, which
 * returns to what the configuration says. Throws an error; with `mark`, a place in the settings, if these are no JSON.
 */
export function versionOf(live, edited) {
  const next = settingsOf(edited.text);
  const before = live ? JSON.parse(live.text) : {};
  const settings = {};
  for (const key of new Set([...Object.keys(before), ...Object.keys(next)])) {
    if (JSON.stringify(before[key]) !== JSON.stringify(next[key])) settings[key] = key in next ? next[key] : null;
  }
  const second = secondProgram(live, edited);
  if (second) throw Object.assign(new Error(second.text), { mark: second });
  if (usesProgram(live, edited)) {
    const isChanged = !live?.isJq || edited.program !== live.program;
    if (!edited.program.trim() && (isChanged || !live?.programFile)) throw new Error("Write a program first.");
    const program = edited.program && { program: edited.program };
    if (isChanged || settings.config !== undefined) settings.config = { ...next.config, ...program };
    if (!live?.isJq) settings.component = JQ;
  }
  if (edited.source === "named") {
    if (!edited.named.trim()) throw new Error("Name a component: builtin:NAME, https://… or oci://…");
    settings.component = edited.named.trim();
  }
  if (edited.source === "file" && !edited.file) throw new Error("Choose a file first.");
  return { settings, file: edited.source === "file" ? edited.file : null };
}

/** The settings as an object. */
export function settingsOf(text) {
  const mark = jsonFault(text.trim() || NO_SETTINGS);
  if (mark) throw Object.assign(new Error(`The settings are no JSON: ${mark.text}`), { mark });
  const settings = JSON.parse(text.trim() || NO_SETTINGS);
  const isObject = settings !== null && typeof settings === "object" && !Array.isArray(settings);
  if (!isObject) throw new Error("The settings have to be an object: {…}");
  return settings;
}

/** The body of a request: settings as JSON, a component alone, or both. */
export function bodyOf({ settings, file }) {
  if (!file) return settings;
  const component = new Blob([file], { type: "application/wasm" });
  if (!Object.keys(settings).length) return component;
  const form = new FormData();
  form.append("settings", JSON.stringify(settings));
  form.append("component", component, file.name);
  return form;
}

export function isEmpty({ settings, file }) {
  return !file && !Object.keys(settings).length;
}
