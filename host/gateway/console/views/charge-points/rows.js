// The rows of a long list that are in view, read from the gateway.
import { request } from "../../lib/api.js";
import { repeat } from "../../lib/poll.js";
import { useEffect, useReducer, useRef } from "../../lib/ui.js";

const REFRESH_EVERY = 2000;
/** Milliseconds that the list must stand still before rows are read: fast scrolling asks for nothing. */
const SETTLED = 90;
/** Rows before and after those in view that are read with them. */
const AROUND = 15;
/** Most rows that are kept of those that were in view before. */
const MAX_KEPT = 3000;
/** The most that the gateway gives at once. */
const MAX_LIMIT = 1000;

/**
 * Reads the rows `from` up to `to` of `/api/v1/charge-points` with `query`, and again every two seconds while the tab is visible. Returns
 * `{at(index), matching, total, error, reload, fresh}`: `at` gives a row or undefined; `matching` is null before the first answer. After a
 * change of `query`, the old rows stay until the new ones are there (`fresh` is false).
 */
export function useRows(query, from, to) {
  const key = JSON.stringify(query);
  const state = useRef(null);
  state.current ??= { key: null, rows: new Map(), matching: null, total: null, error: null, abort: null };
  const [, changed] = useReducer((count) => count + 1, 0);
  const wanted = useRef(null);
  wanted.current = { key, query, from, to };
  const load = useRef(null);
  load.current ??= () => read(state.current, wanted.current, changed);
  useEffect(() => {
    const stop = repeat(load.current, REFRESH_EVERY);
    return () => {
      stop();
      state.current.abort?.abort();
    };
  }, []);
  useEffect(() => void load.current(), [key]);
  useEffect(() => {
    const settled = setTimeout(() => load.current(), SETTLED);
    return () => clearTimeout(settled);
  }, [from, to]);
  const { rows, matching, total, error } = state.current;
  return { at: (index) => rows.get(index), matching, total, error, reload: load.current, fresh: state.current.key === key };
}

async function read(state, { key, query, from, to }, changed) {
  const offset = Math.max(0, from - AROUND);
  const limit = Math.max(1, Math.min(MAX_LIMIT, to + AROUND - offset));
  state.abort?.abort();
  const abort = (state.abort = new AbortController());
  try {
    const all = { ...query, offset: offset || undefined, limit };
    const answer = await request("/api/v1/charge-points", { query: all, signal: abort.signal });
    if (abort.signal.aborted) return;
    if (state.key !== key || state.rows.size > MAX_KEPT) state.rows = new Map();
    answer.charge_points.forEach((row, at) => state.rows.set(offset + at, row));
    Object.assign(state, { key, matching: answer.matching, total: answer.total, error: null });
  } catch (error) {
    if (error.name === "AbortError") return;
    state.error = error;
  }
  changed();
}

/** All identities that match, at most `MAX_LIMIT`. */
export async function matchingIds(query) {
  const answer = await request("/api/v1/charge-points", { query: { ...query, limit: MAX_LIMIT } });
  return { ids: answer.charge_points.map((row) => row.id), matching: answer.matching };
}
