// Requests to the API of the gateway, and the state of the connection to it.
//
// The token is kept in the tab (`sessionStorage`): it is gone when the tab is closed. It is sent in a header only, never in a URL.

const KEY = "ocpp-gateway-token";
/** Milliseconds between attempts while the gateway does not answer. */
const RETRY_EVERY = 2000;

/** An answer that is no success. `message`: for people. */
export class ApiError extends Error {
  constructor(status, detail, body) {
    super(detail);
    Object.assign(this, { status, body });
  }
}

/** A value that components can follow: see `useStore` in poll.js. */
export class Store {
  #listeners = new Set();
  constructor(value) {
    this.value = value;
  }
  set(value) {
    if (value === this.value) return;
    this.value = value;
    for (const listener of this.#listeners) listener(value);
  }
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** `online`, or `lost` while the gateway does not answer. */
export const connection = new Store("online");
/** What `/api/v1/me` says; null: not known yet; `unauthorized`: a token is needed, or the one shown is wrong. */
export const me = new Store(null);

let retrying = null;

function lost() {
  connection.set("lost");
  retrying ??= setInterval(() => whoAmI().catch(() => {}), RETRY_EVERY);
}

function online() {
  clearInterval(retrying);
  retrying = null;
  connection.set("online");
}

export function token() {
  return sessionStorage.getItem(KEY);
}

export function setToken(value) {
  ahead.clear();
  if (value) sessionStorage.setItem(KEY, value);
  else sessionStorage.removeItem(KEY);
}

/** Asks who this token belongs to, and sets `me`. */
export async function whoAmI() {
  const answer = await request("/api/v1/me");
  me.set(answer);
  return answer;
}

/** A path with query parameters; empty and missing ones are left out. */
export function url(path, query = {}) {
  const parameters = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const text = new URLSearchParams(parameters).toString();
  return text ? `${path}?${text}` : path;
}

async function send(path, { method = "GET", query, body, headers = {}, signal } = {}) {
  const all = { ...headers };
  if (token()) all.authorization = `Bearer ${token()}`;
  let sent = body;
  if (body !== undefined && !(body instanceof FormData) && !(body instanceof Blob)) {
    all["content-type"] = "application/json";
    sent = JSON.stringify(body);
  }
  return success(fetch(url(path, query), { method, body: sent, headers: all, signal, cache: "no-store" }));
}

/** The answer, if it is no error. */
async function success(asked) {
  let answer;
  try {
    answer = await asked;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    lost();
    throw new ApiError(0, "The gateway does not answer.");
  }
  online();
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  if (answer.status === 401) me.set("unauthorized");
  throw new ApiError(answer.status, problem.detail ?? `${answer.status} ${answer.statusText}`, problem);
}

/** What `ahead.js` has asked for, by path: `{content, data}`, a promise of the data, and the data once they are there. */
const ahead = new Map(Array.from((window.askedAhead ??= new Map()), ([path, asked]) => [path, readAhead(asked)]));

function readAhead(asked) {
  const early = { content: success(asked).then(content) };
  early.content.then((data) => (early.data = data), () => {});
  return early;
}

/** Resolves when the answers are there, also if they are errors. */
export function aheadRead() {
  return Promise.allSettled([...ahead.values()].map((early) => early.content));
}

/** The data of a path if they were asked for ahead and are there: for a first drawing with them. `request` resolves to the same. */
export function dataAhead(path) {
  return ahead.get(path)?.data;
}

/** Sends a request. Resolves to the JSON of the answer, to its text if it is none, to null if it is empty. Throws `ApiError`. */
export async function request(path, options = {}) {
  const { method = "GET", query, signal } = options;
  const address = url(path, query);
  const early = method === "GET" && !signal?.aborted ? ahead.get(address) : undefined;
  // The first request of each takes what was asked for ahead.
  ahead.delete(address);
  return early ? early.content : content(await send(path, options));
}

async function content(answer) {
  const text = await answer.text();
  if (!text) return null;
  return (answer.headers.get("content-type") ?? "").includes("json") ? JSON.parse(text) : text;
}

/**
 * Follows server-sent events. `onEvent(name, data, text)`: an event with its JSON, read and as it was sent;
 * `onState("open" | "lost" | ApiError)`: the state of the stream. It is opened again until `signal` is aborted, but not after an answer that is an error of the request (status 4xx).
 */
export async function follow(path, { query, signal, onEvent, onState = () => {} }) {
  for (let wait = 500; !signal.aborted; wait = Math.min(wait * 2, 5000)) {
    try {
      const answer = await send(path, { query, signal, headers: { accept: "text/event-stream" } });
      onState("open");
      wait = 500;
      await readEvents(answer.body, onEvent);
      onState("lost");
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429) return onState(error);
      onState(error instanceof ApiError && error.status ? error : "lost");
      if (!(error instanceof ApiError)) lost();
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

async function readEvents(body, onEvent) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      let name = "message";
      const data = [];
      for (const line of block.split("\n")) {
        if (line.startsWith("event:")) name = line.slice(6).trim();
        else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
      }
      const text = data.join("\n");
      if (text) onEvent(name, JSON.parse(text), text);
    }
  }
}
