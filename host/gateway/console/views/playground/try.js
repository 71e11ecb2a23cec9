// Tries a message as soon as it stops changing.
import { connection, request } from "../../lib/api.js";
import { useEffect, useRef, useState } from "../../lib/ui.js";

/** Milliseconds without another key until what was typed is tried. */
const TYPING = 300;
/** Two messages are tried at once, by all users together: more are refused with one of these, and tried again. */
const BUSY = [429, 503];

/**
 * What the gateway says of a request to `POST /api/v1/try`; null: none is sent. The latest request wins. Returns `{answer, error,
 * millis, pending, isCurrent}`; the answer stays until another one is there. `typed`: whether to wait for more. It is tried again when
 * `salt` changes.
 */
export function useTry(body, { typed = false, salt = "" } = {}) {
  const key = body && JSON.stringify(body) + salt;
  const [state, set] = useState({ key: null, answer: null, error: null });
  const [attempt, setAttempt] = useState(0);
  const wait = useRef(0);
  wait.current = typed ? TYPING : 0;
  useEffect(() => {
    if (!key) return undefined;
    const abort = new AbortController();
    const failed = (error) => abort.signal.aborted || set((old) => ({ ...old, key, error }));
    const timer = setTimeout(() => {
      const start = performance.now();
      const tried = (answer) => abort.signal.aborted || set({ key, answer, error: null, millis: performance.now() - start });
      tryMessage(body, abort.signal).then(tried, failed);
    }, wait.current);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [key, attempt]);
  // A gateway that was away is asked again.
  useEffect(() => connection.subscribe((now) => now === "online" && setAttempt((count) => count + 1)), []);
  const isCurrent = state.key === key;
  return { ...state, error: isCurrent ? state.error : null, pending: Boolean(key) && !isCurrent, isCurrent };
}

async function tryMessage(body, signal) {
  for (let pause = 150; ; pause = Math.min(pause * 1.5, 2000)) {
    try {
      return await request("/api/v1/try", { method: "POST", body, signal });
    } catch (error) {
      if (!BUSY.includes(error.status)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
    signal.throwIfAborted();
  }
}
