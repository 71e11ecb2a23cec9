// What the playground holds: a message, and a candidate. It is kept in the tab, so that it is still there after another view.
//
// `{direction: "uplink" | "downlink", id, version, attributes, frame, action, topic, payload, qos, retain, example, candidate, name,
// before, fresh, drafts}`. `candidate`: `none`, `new`, or `in:NAME`, in the place of a running transform. `fresh`: the draft of the new
// one; `drafts`: those of running ones by name, as `versionOf` takes them.
import { useCallback, useEffect, useState } from "../../lib/ui.js";
import { jsonFault } from "../../lib/faults.js";
import { pretty } from "../../lib/format.js";
import { draft, isEmpty, settingsOf, versionOf } from "../transforms/version.js";
import { example } from "./examples.js";
import { SAMPLES } from "./samples.js";

const KEY = "ocpp-gateway-playground";
/** Where another view leaves a message for this one, as `handedOver` takes it. */
const MESSAGE_KEY = "ocpp-gateway-playground-message";

const EMPTY = {
  direction: "uplink", id: "CP001", version: "ocpp1.6", attributes: "", frame: "", action: "", topic: "", payload: "", qos: 1,
  retain: false, example: "", candidate: "new", name: "my-fix", before: "", drafts: {},
  fresh: { ...draft(null), program: SAMPLES[0].program },
};

/** `{state, typed, change}`: `change(part, {typed})` changes it, and `typed` says whether the last change was typed. */
export function usePlayground(query) {
  const [state, set] = useState(() => ({ value: initial(query), typed: false }));
  const change = useCallback((part, { typed = false } = {}) => set((old) => ({ value: { ...old.value, ...part }, typed })), []);
  useEffect(() => {
    try {
      sessionStorage.setItem(KEY, JSON.stringify(state.value));
    } catch {
      // Too large to be kept: it lasts as long as the view.
    }
  }, [state.value]);
  return { state: state.value, typed: state.typed, change };
}

function initial({ from, transform }) {
  const kept = read(KEY);
  const state = kept ? { ...EMPTY, ...kept } : { ...EMPTY, ...withExample(EMPTY, SAMPLES[0].example) };
  const candidate = transform ? { candidate: `in:${transform}` } : {};
  return { ...state, ...candidate, ...(from === "storage" && handedOver(read(MESSAGE_KEY))) };
}

function read(key) {
  try {
    return JSON.parse(sessionStorage.getItem(key));
  } catch {
    return null;
  }
}

/**
 * The parts of the state for a message of another view: `{charge_point: {id, version, attributes}, frame, action}`, or `message: {topic,
 * payload, qos, retain}` in place of `frame`.
 */
export function handedOver(given) {
  if (!given?.charge_point) return {};
  const { charge_point: { id, version = "ocpp1.6", attributes }, frame, action, message } = given;
  const of = { id, version, attributes: attributes && Object.keys(attributes).length ? JSON.stringify(attributes) : "", example: "" };
  if (message) {
    const { topic = "", payload = "", qos = 1, retain = false } = message;
    const text = typeof payload === "string" ? payload : JSON.stringify(payload);
    return { ...of, direction: "downlink", topic, payload: pretty(text), qos, retain };
  }
  const text = typeof frame === "string" ? frame : JSON.stringify(frame ?? []);
  return { ...of, direction: "uplink", frame: pretty(text), action: isAnswer(text) ? (action ?? "") : "" };
}

/** The parts of the state for an example. The charge point keeps its identity. */
export function withExample(state, key) {
  const found = example(key);
  if (!found) return { example: "" };
  const { version, frame, action = "", payload } = found;
  if (frame) return { example: key, direction: "uplink", version, frame: pretty(frame), action };
  return { example: key, direction: "downlink", version, topic: `ocpp/cs/${state.id}`, payload: pretty(payload), qos: 1, retain: false };
}

/** Whether a frame is an answer, whose action the gateway has to be told. */
export function isAnswer(frame) {
  return /^\s*\[\s*[345]\s*,/.test(frame);
}

/** The message of a request: `{body}`, or `{marks}` with places of faults, or `{problem}`, what is missing. */
export function messageOf(state) {
  const { direction, id, version, attributes, frame, action, topic, payload, qos, retain } = state;
  const marks = {};
  if (attributes.trim()) marks.attributes = jsonFault(attributes);
  if (direction === "uplink" && frame.trim()) marks.frame = jsonFault(frame);
  if (marks.attributes || marks.frame) return { marks };
  if (!id.trim()) return { problem: "Name a charge point.", marks };
  const of = { id, version, ...(attributes.trim() && { attributes: JSON.parse(attributes) }) };
  if (direction === "downlink") {
    if (!topic.trim()) return { problem: "Name the topic of the message.", marks };
    return { body: { charge_point: of, message: { topic, payload, qos, retain } }, marks };
  }
  if (!frame.trim()) return { problem: "Type a frame, or take an example.", marks };
  return { body: { charge_point: of, frame, ...(isAnswer(frame) && action && { action }) }, marks };
}

/**
 * The candidate of a request: `{candidate, version}`, null for what runs now; or `{problem, mark}`, a place in its settings. `live`: the
 * running transform that it takes the place of, as `editable` gives it.
 */
export function candidateOf(state, live) {
  if (state.candidate === "none") return { candidate: null };
  const name = state.candidate === "new" ? state.name : state.candidate.slice(3);
  if (!name.trim()) return { problem: "Name the transform." };
  try {
    const version = versionOf(live, draftOf(state, live));
    if (state.candidate !== "new") return { candidate: isEmpty(version) ? null : { name, ...version.settings }, version };
    return { candidate: { name, ...(state.before && { before: state.before }), ...version.settings }, version };
  } catch (error) {
    return { problem: error.message, mark: error.mark };
  }
}

/** What is edited: the new transform, or a running one with what was changed of it. */
export function draftOf(state, live) {
  return state.candidate === "new" ? state.fresh : (state.drafts[state.candidate.slice(3)] ?? draft(live));
}

/** The parts of the state for a change of the draft. */
export function withDraft(state, live, part) {
  const next = { ...draftOf(state, live), ...part, file: null };
  if (state.candidate === "new") return { fresh: next };
  return { drafts: { ...state.drafts, [state.candidate.slice(3)]: next } };
}

/** The settings of a candidate beside its program, for a file; `{}` if they are no JSON. */
export function settingsBeside(text) {
  try {
    return settingsOf(text);
  } catch {
    return {};
  }
}
