// What the back end has answered to a charge point, and it to the back end, since the page listens. No DOM here.
import { payloadOf } from "../messages/log.js";
import { isRefusal, statusOf } from "../messages/status.js";

/** Most CALLs whose answer is awaited, and most different answers that are kept; the oldest go first. */
const MAX_OPEN = 200;
const MAX_KEPT = 200;
/** Actions whose answer is about the token in the CALL. */
const OF_TOKENS = new Set(["Authorize", "StartTransaction", "StopTransaction", "TransactionEvent"]);

/**
 * The latest answers, from the lines of `/api/v1/messages`. An answer: `{action, token, direction, by, status, refused, error, time}`:
 * `direction` of the answer (`downlink`: to the charge point); `by`: `back end`, `charge point` or `transform`; `status` null: it has none;
 * `error`: `{code, description}` of a CALLERROR, null of a CALLRESULT; `token`: what was to be authorized, null if it is not known.
 */
export class Answers {
  /** RFC 3339: since when all that passed was seen; null before the stream is open. */
  since = null;
  /** Answers of the back end in all. */
  seen = 0;
  /** Whether lines are missing: the stream was interrupted, or the page too slow. */
  gaps = false;
  #open = new Map();
  #latest = new Map();

  take(line) {
    if (line.event === "started") {
      if (this.since) this.gaps = true;
      this.since ??= line.time;
      return;
    }
    if (line.event === "missed") this.gaps = true;
    if (!["message", "received", "sent"].includes(line.event) || line.origin === "gateway") return;
    if (line.type === "CALL") this.#call(line);
    else if (line.type === "CALLRESULT" || line.type === "CALLERROR") this.#answer(line);
  }

  /** The latest answer to each action and token, the latest first. */
  get latest() {
    return [...this.#latest.values()].reverse();
  }

  #call(line) {
    const token = OF_TOKENS.has(line.action) ? tokenOf(payloadOf(line.frame ?? line.sent?.[0], "CALL")) : null;
    put(this.#open, keyOf(line), { action: line.action, token }, MAX_OPEN);
    // A transform may answer in place of a back end.
    const { action: kind, payload, code, description } = line.answer ?? {};
    if (kind === "reply") this.#keep(line, { by: "transform", direction: "downlink", token, payload: read(payload) });
    if (kind === "reject") this.#keep(line, { by: "transform", direction: "downlink", token, error: { code, description } });
  }

  #answer(line) {
    const { direction } = line;
    const call = this.#open.get(keyOf(line));
    this.#open.delete(keyOf(line));
    // What the gateway answers by itself (a timeout, say) has no message, and is among the incidents.
    if (direction === "downlink" && !line.message) return;
    // It answers no open CALL, or a transform has dropped it.
    if (line.not_mapped || line.incidents?.length) return;
    const content = line.frame ?? line.sent?.[0] ?? line.message?.payload;
    const payload = payloadOf(content, line.type);
    const by = direction === "downlink" ? "back end" : "charge point";
    if (direction === "downlink") this.seen += 1;
    const error = line.type === "CALLERROR" ? { code: payload?.code, description: payload?.description } : null;
    this.#keep({ ...line, action: line.action ?? call?.action }, { by, direction, token: call?.token ?? null, payload, error });
  }

  #keep({ action, time }, { by, direction, token, payload, error = null }) {
    if (!action) return;
    const status = error ? null : statusOf(payload);
    const answer = { action, token, direction, by, status, refused: isRefusal(status), error, time };
    put(this.#latest, JSON.stringify([direction, action, token]), answer, MAX_KEPT);
  }
}

/** Adds an entry as the newest one. */
function put(map, key, value, most) {
  map.delete(key);
  map.set(key, value);
  if (map.size > most) map.delete(map.keys().next().value);
}

/** Without an exchange, the CALL goes the other way than its answer. */
function keyOf({ exchange, direction, type, message_id: id }) {
  const from = type === "CALL" ? direction : direction === "uplink" ? "downlink" : "uplink";
  return exchange ?? `${from} ${id}`;
}

function tokenOf(payload) {
  const token = payload?.idTag ?? payload?.idToken?.idToken;
  return typeof token === "string" ? token : null;
}

function read(payload) {
  try {
    return typeof payload === "string" ? JSON.parse(payload) : payload;
  } catch {
    return undefined;
  }
}
