// The figures of the last hour, by `/api/v1/figures`. They are kept while the tab is open: a view that comes back shows them at once, and a
// gateway that was restarted does not empty the charts.
import { dataAhead, request } from "./api.js";
import { repeat } from "./poll.js";
import { useLayoutEffect, useState } from "./ui.js";

const PATH = "/api/v1/figures";
/** Milliseconds between questions for new steps. */
const EVERY = 5000;
/** Steps that are kept: an hour. */
const MAX_STEPS = 360;
/** Without a new step for so long, in milliseconds, the clock of the gateway was set back: all is read again. */
const STALE = 60_000;

/** `times`: end of each step, in seconds since 1970, oldest first. `series`: by name, one value for each time. */
let kept = { times: [], series: {}, step: 10 };
let grownAt = 0;

/** Puts the steps of an answer behind those that are known; a gap becomes a step without values, so that no line crosses it. */
export function append({ times, series }, answer, limit = MAX_STEPS) {
  const { step_seconds: step } = answer;
  const gap = times.length > 0 && answer.times[0] > times.at(-1) + step * 1.5;
  const between = gap ? [null] : [];
  const joined = [...times, ...(gap ? [times.at(-1) + step] : []), ...answer.times].slice(-limit);
  const names = [...new Set([...Object.keys(series), ...Object.keys(answer.series)])];
  const empty = (of) => of.map(() => null);
  const values = names.map((name) => {
    const all = [...(series[name] ?? empty(times)), ...between, ...(answer.series[name] ?? empty(answer.times))];
    return [name, all.slice(-limit)];
  });
  return { times: joined, series: Object.fromEntries(values), step };
}

async function read(signal) {
  const stale = Date.now() - grownAt > STALE;
  const after = stale || dataAhead(PATH) ? undefined : kept.times.at(-1);
  const answer = await request(PATH, { query: { after }, signal });
  if (!signal.aborted) grow(answer, stale);
}

/** Puts what is new in an answer behind the steps that are kept. `stale`: the answer may be of an earlier time. */
function grow(answer, stale) {
  if (!answer.times.length) return;
  // Two questions may overlap: only what is later than the known steps counts.
  const back = stale && answer.times.at(-1) < (kept.times.at(-1) ?? 0);
  const known = back ? { times: [], series: {} } : kept;
  const first = answer.times.findIndex((time) => time > (known.times.at(-1) ?? 0));
  if (first < 0) return;
  const cut = Object.entries(answer.series).map(([name, values]) => [name, values.slice(first)]);
  kept = append(known, { ...answer, times: answer.times.slice(first), series: Object.fromEntries(cut) });
  grownAt = Date.now();
}

/** What is kept; at first what was asked for ahead. */
function atFirst() {
  const early = dataAhead(PATH);
  if (early) grow(early, false);
  return { ...kept, error: null, read: grownAt > 0 || Boolean(early) };
}

function isCurrent({ read, times, error }) {
  return read && times === kept.times && !error;
}

/** `{times, series, step, error, read, reload}`; grows while the tab is visible. `read`: the gateway has answered. */
export function useFigures() {
  const [state, setState] = useState(atFirst);
  const [again, setAgain] = useState(0);
  useLayoutEffect(() => {
    const abort = new AbortController();
    const load = () =>
      read(abort.signal).then(
        () => abort.signal.aborted || setState((old) => (isCurrent(old) ? old : { ...kept, error: null, read: true })),
        (error) => error.name === "AbortError" || setState((old) => ({ ...kept, error, read: old.read })),
      );
    load();
    const stop = repeat(load, EVERY);
    return () => {
      abort.abort();
      stop();
    };
  }, [again]);
  return { ...state, reload: () => setAgain(again + 1) };
}

/** The latest value of a series; null: there is none. */
export function latest({ series }, name) {
  return series[name]?.at(-1) ?? null;
}

/** The latest value that is not null among the last `steps`; for what is not measured in each step. */
export function latestKnown({ series }, name, steps = 6) {
  return series[name]?.slice(-steps).findLast((value) => value !== null) ?? null;
}

/** The mean over the last `steps`, without those that have no value; null: there is none. */
export function mean({ series }, name, steps = 6) {
  const known = (series[name] ?? []).slice(-steps).filter((value) => value !== null);
  return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
}

/** How often something happened within the last hour, of a series that counts per second; null: there are no values. */
export function total({ series, step }, name) {
  const known = (series[name] ?? []).filter((value) => value !== null);
  return known.length ? Math.round(known.reduce((sum, value) => sum + value * step, 0)) : null;
}
