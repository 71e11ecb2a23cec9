// Sends a CALL to charge points, some at a time, and keeps what came of it: a run goes on while another view is open.
import { request, Store } from "../../lib/api.js";
import { isDisconnect, restarts } from "./outcome.js";

/** CALLs in flight at a time. */
const AT_ONCE = 8;
const RECENT_KEY = "ocpp-gateway-recent-calls";
const MAX_RECENT = 20;
/** Longer payloads are not kept among the recent ones: the store of a tab is small. Characters. */
const MAX_KEPT = 50_000;

/**
 * The latest run: `{action, payload, results, running, stopped, stop(), cameBack(id, time)}`, or null. `results`: `[{id, state, took,
 * answer, error, leftAt, backAt}]` with `state` waiting, sent, answered, failed, stopped, or left: it disconnected, as expected of the
 * action. `took` in seconds; `answer` is the payload of the CALLRESULT, `error` an `ApiError`; `leftAt` by the clock of this page, `backAt`
 * by that of the gateway, once it is connected again: RFC 3339.
 */
export const run = new Store(null);

/** Calls `work(item)` for each, `atOnce` at a time, until `stopped()`. */
export async function eachOf(items, atOnce, work, stopped = () => false) {
  const rest = [...items];
  const worker = async () => {
    while (rest.length && !stopped()) await work(rest.shift());
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
}

/** Starts a run. `payload`: JSON text, sent as it is. */
export async function start({ to, action, payload }) {
  run.value?.stop();
  const abort = new AbortController();
  const body = `{"action":${JSON.stringify(action)},"payload":${payload}}`;
  const waiting = to.map((id) => ({ id, state: "waiting" }));
  const cameBack = (id, time) => become(to.indexOf(id), { backAt: time });
  let now = { action, payload, results: waiting, running: true, stopped: false, stop: () => abort.abort(), cameBack };
  const tell = (change) => {
    // A newer run is shown in place of this one.
    if (run.value === now) run.set((now = { ...now, ...change }));
  };
  const become = (at, change) => tell({ results: now.results.map((one, index) => (index === at ? { ...one, ...change } : one)) });
  run.set(now);
  const notSent = (one) => (one.state === "waiting" ? { ...one, state: "stopped" } : one);
  abort.signal.addEventListener("abort", () => tell({ stopped: true, results: now.results.map(notSent) }));
  await eachOf([...to.keys()], AT_ONCE, async (at) => {
    become(at, { state: "sent" });
    become(at, await sendOne(to[at], action, body, abort.signal));
  }, () => abort.signal.aborted);
  tell({ running: false });
}

async function sendOne(id, action, body, signal) {
  const began = performance.now();
  const took = () => (performance.now() - began) / 1000;
  const options = { method: "POST", body: new Blob([body]), headers: { "content-type": "application/json" }, signal };
  try {
    const answer = await request(`/api/v1/charge-points/${encodeURIComponent(id)}/calls`, options);
    return { state: "answered", took: took(), answer: answer.result, messageId: answer.message_id };
  } catch (error) {
    if (error.name === "AbortError") return { state: "stopped", took: took(), sent: true };
    if (restarts(action) && isDisconnect(error)) return { state: "left", took: took(), leftAt: new Date().toISOString() };
    return { state: "failed", took: took(), error };
  }
}

/** The CALLs that were sent last from this tab: `[{to, version, action, payload, time}]`, the latest first. */
export function recent() {
  try {
    return JSON.parse(sessionStorage.getItem(RECENT_KEY)) ?? [];
  } catch {
    return [];
  }
}

/** Keeps a CALL; the same one again moves to the front. Returns what is kept now. */
export function remember(call) {
  const same = (other) => other.action === call.action && other.payload === call.payload && other.to.join() === call.to.join();
  const kept = call.payload.length > MAX_KEPT ? recent() : [call, ...recent().filter((other) => !same(other))].slice(0, MAX_RECENT);
  try {
    sessionStorage.setItem(RECENT_KEY, JSON.stringify(kept));
  } catch {
    // The store is full: the list stays as it was.
  }
  return kept;
}
