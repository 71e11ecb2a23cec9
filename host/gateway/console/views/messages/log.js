// The messages of a charge point as rows: a CALL and its answer are one. No DOM here.
import { isRefusal, statusOf } from "./status.js";

/** Most rows and most characters that are kept; the oldest rows go first. */
export const MAX_ROWS = 1000;
export const MAX_CHARACTERS = 32 * 1024 * 1024;
/** Most lines that are held while the list is paused; what comes then is counted only. */
export const MAX_HELD = 5000;
/** Lines that are taken in one go. */
const AT_ONCE = 400;
/** Most lines of one row: a CALL that is repeated for hours stays one row. */
const MAX_LINES_OF_ROW = 16;
const MAX_ACTIONS = 200;

/** Microseconds since 1970 of an RFC 3339 time in UTC. */
export function micros(time) {
  const [, whole, fraction = ""] = /^(.*?:\d\d)(?:\.(\d+))?Z$/.exec(time) ?? [null, time];
  return Date.parse(`${whole}Z`) * 1000 + Number(fraction.padEnd(6, "0").slice(0, 6));
}

/**
 * Rows have `{id, kind: "message" | "event", time, at, direction, action, messageId, lines, call, answer, incidents, refused, revision}`.
 * `lines`, and among them `call` and `answer`, have `{event, type, direction, action, time, at, content, payload, text}`: `content` is the
 * frame, `payload` its payload (undefined: it could not be read), `text` the line of the recording. `revision` grows with each change.
 */
export class MessageLog {
  rows = [];
  /** Oldest first: every row has a number of its own. */
  #number = 0;
  #order = 0;
  #byKey = new Map();
  #byMessage = new Map();
  #held = [];
  #characters = 0;
  #heldCharacters = 0;
  #started = null;
  paused = false;
  /** Lines that the gateway left out, that were not held while paused, and rows that made room for newer ones. */
  missed = 0;
  notHeld = 0;
  dropped = 0;
  actions = new Set();
  revision = 0;

  /** Takes a line of the stream: its JSON, and its text. */
  add(line, text) {
    this.revision += 1;
    if (!this.paused && !this.#held.length) return this.#take(line, text);
    if (this.#held.length >= MAX_HELD || this.#heldCharacters + text.length > MAX_CHARACTERS) this.notHeld += 1;
    else {
      this.#held.push([line, text]);
      this.#heldCharacters += text.length;
    }
  }

  get heldCount() {
    return this.#held.length;
  }

  pause() {
    this.paused = true;
    this.revision += 1;
  }

  /** Goes on. What was held comes with `drain`, so that no task takes long. */
  resume() {
    this.paused = false;
    this.revision += 1;
  }

  /** Takes some of what is held, unless the list is paused. Returns whether there is more. */
  drain() {
    if (this.paused || !this.#held.length) return false;
    for (const [line, text] of this.#held.splice(0, AT_ONCE)) {
      this.#heldCharacters -= text.length;
      this.#take(line, text);
    }
    this.revision += 1;
    if (this.#held.length) return true;
    if (this.notHeld) this.#note({ event: "not_held", missed: this.notHeld });
    this.notHeld = 0;
    this.#makeRoom();
    return false;
  }

  clear() {
    for (const row of [...this.rows]) this.#forget(row);
    Object.assign(this, { rows: [], missed: 0, notHeld: 0, dropped: 0, revision: this.revision + 1 });
    this.#held = [];
    this.#heldCharacters = 0;
    this.actions.clear();
  }

  /** The lines that are kept, as they were received and in their order: a recording. */
  recording() {
    const lines = this.rows.flatMap((row) => row.lines).filter((line) => line.text);
    lines.sort((a, b) => a.order - b.order);
    const texts = lines.map((line) => line.text);
    return [...(this.#started ? [this.#started] : []), ...texts].map((text) => `${text}\n`).join("");
  }

  #take(line, text) {
    if (line.event === "started") {
      // A second one: the stream was interrupted, and is there again.
      if (this.#started) this.#note({ event: "interrupted", time: line.time });
      this.#started ??= text;
    } else if (line.event === "missed") {
      this.missed += line.missed;
      this.#note(line, text);
    } else if (["message", "received", "sent"].includes(line.event)) this.#message(line, text);
    else if (line.event === "incident") this.#incident(line, text);
    else this.#note(line, text);
    this.#makeRoom();
  }

  #makeRoom() {
    while (this.rows.length > MAX_ROWS || (this.#characters > MAX_CHARACTERS && this.rows.length > 1)) {
      this.dropped += 1;
      this.#forget(this.rows.shift());
    }
  }

  #message(line, text) {
    const entry = this.#entry(line, text);
    const isCall = line.type === "CALL" || line.type === "SEND" || !line.type;
    const from = isCall ? line.direction : opposite(line.direction);
    const key = line.exchange ?? `${from} ${line.message_id}`;
    let row = this.#byKey.get(key);
    // Without an exchange, a message id may be that of an earlier CALL.
    if (row && isCall && !line.exchange && row.answer) row = null;
    row ??= this.#reported(line) ?? this.#row("message", line, text);
    this.#byKey.set(key, row);
    this.#byMessage.set(`${line.direction} ${line.message_id}`, row);
    row.keys.add(key);
    row.kind = "message";
    row.direction = from;
    row.action ??= line.action;
    row.messageId ??= line.message_id;
    if (isCall) row.call ??= entry;
    else row.answer ??= entry;
    row.refused ||= line.type === "CALLERROR" || line.type === "CALLRESULTERROR" || Boolean(line.not_mapped);
    for (const incident of line.incidents ?? []) addIncident(row, incident);
    if (line.action && this.actions.size < MAX_ACTIONS) this.actions.add(line.action);
    this.#append(row, entry);
  }

  /** The row of an incident that came before its message. */
  #reported(line) {
    const row = this.#byMessage.get(`${line.direction} ${line.message_id}`);
    return row?.kind === "event" ? row : null;
  }

  #incident(line, text) {
    const key = `${line.direction} ${line.message_id}`;
    const row = (line.message_id && this.#byMessage.get(key)) || this.#row("event", line, text);
    if (line.message_id) this.#byMessage.set(key, row);
    row.messageId ??= line.message_id;
    row.action ??= line.action;
    row.direction ??= line.direction;
    addIncident(row, line.text);
    this.#append(row, this.#entry(line, text));
  }

  #note(line, text = null) {
    const row = this.#row("event", line, text);
    this.#append(row, this.#entry(line, text));
  }

  #row(kind, line) {
    const time = line.time ?? new Date().toISOString();
    const row = {
      id: (this.#number += 1), kind, event: line.event, time, at: micros(time),
      direction: undefined, action: undefined, messageId: undefined,
      lines: [], more: 0, call: null, answer: null, incidents: [], refused: false, revision: 0, keys: new Set(), about: line,
    };
    this.rows.push(row);
    return row;
  }

  #entry(line, text) {
    const content = line.event === "message" ? (line.frame ?? line.sent?.[0] ?? line.message?.payload) : line.frame;
    const { event, type, direction, action, time, origin } = line;
    return {
      event, type, direction, action, time, origin, at: time ? micros(time) : 0, content, payload: payloadOf(content, type),
      topics: [line.message?.topic, ...(line.published ?? []).map((message) => message.topic)].filter(Boolean),
      text, order: (this.#order += 1),
    };
  }

  #append(row, entry) {
    row.revision += 1;
    if (row.lines.length >= MAX_LINES_OF_ROW) {
      row.more += 1;
      return;
    }
    row.lines.push(entry);
    this.#characters += entry.text?.length ?? 0;
  }

  #forget(row) {
    for (const key of row.keys) if (this.#byKey.get(key) === row) this.#byKey.delete(key);
    for (const { direction } of [row, ...row.lines]) {
      const key = `${direction} ${row.messageId}`;
      if (this.#byMessage.get(key) === row) this.#byMessage.delete(key);
    }
    for (const line of row.lines) this.#characters -= line.text?.length ?? 0;
  }
}

function opposite(direction) {
  return direction === "uplink" ? "downlink" : "uplink";
}

function addIncident(row, text) {
  if (!row.incidents.includes(text)) row.incidents.push(text);
}

/** The payload of `[2, id, action, payload]`, `[3, id, payload]`, `[4, id, code, description, details]`. Undefined: it cannot be read. */
export function payloadOf(content, type) {
  try {
    const frame = JSON.parse(content);
    if (!Array.isArray(frame)) return frame?.Payload ?? frame;
    if (type === "CALLERROR" || type === "CALLRESULTERROR") return { code: frame[2], description: frame[3], details: frame[4] };
    return frame[0] === 3 ? frame[2] : frame[3];
  } catch {
    return undefined;
  }
}

/** `bad`: an error, or something was refused or dropped; `warn`: answered, but not accepted; `none`. */
export function toneOf(row) {
  if (row.refused || row.incidents.length || ["missed", "interrupted", "not_held", "refused"].includes(row.event)) return "bad";
  return isRefusal(statusOf(row.answer?.payload)) ? "warn" : "none";
}

/** Microseconds from the CALL to its answer; null without both. */
export function took(row) {
  return row.call && row.answer ? row.answer.at - row.call.at : null;
}
