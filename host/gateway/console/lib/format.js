// Numbers, sizes and times for people, in the reader's zone.

/** Made when it is first needed, and once: each takes milliseconds. */
function once(make) {
  let made = null;
  return () => (made ??= make());
}

const fullFormat = once(() => new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" }));
/** How the browser's language writes numbers. `Intl` takes 30 ms and more for the first one: what English needs is done without. */
const numberFormat = once(() => (likeEnglish() ? englishNumber : new Intl.NumberFormat().format));

/** Whether numbers look as `1,234.5`. This part of `Intl` tells its language at once. */
function likeEnglish() {
  return /^en(-(US|GB|IE|CA|AU|NZ))?$/.test(new Intl.PluralRules().resolvedOptions().locale);
}

/** As `Intl.NumberFormat` for English: up to three digits after the point. */
function englishNumber(value) {
  const rounded = (Math.sign(value) * Math.round(Math.abs(value) * 1000)) / 1000;
  const [whole, fraction] = String(rounded).split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return fraction ? `${grouped}.${fraction}` : grouped;
}

const digits = (value) => String(value).padStart(2, "0");

/** `14:03`. Not by `Intl`, whose first time takes a tenth of a second. */
export function hoursAndMinutes(date) {
  return `${digits(date.getHours())}:${digits(date.getMinutes())}`;
}

function timeOfDay(date) {
  return `${hoursAndMinutes(date)}:${digits(date.getSeconds())}`;
}

/** `14:03:22`, with the date if it was not today. */
export function clock(time) {
  const date = new Date(time);
  if (date.toDateString() === new Date().toDateString()) return timeOfDay(date);
  return `${date.getFullYear()}-${digits(date.getMonth() + 1)}-${digits(date.getDate())} ${timeOfDay(date)}`;
}

/** Date, time and zone. */
export function fullTime(time) {
  return fullFormat().format(new Date(time));
}

/** `14:03:22.123` */
export function preciseClock(time) {
  const date = new Date(time);
  return `${timeOfDay(date)}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

/** Seconds as `12 µs`, `3.4 ms`, `1.2 s`, `3 min`, `2 h`, `5 d`. */
export function seconds(value) {
  if (value === null || value === undefined) return "–";
  const steps = [[1e-3, 1e6, "µs"], [1, 1e3, "ms"], [90, 1, "s"], [5400, 1 / 60, "min"], [129600, 1 / 3600, "h"], [Infinity, 1 / 86400, "d"]];
  const [, factor, unit] = steps.find(([below]) => Math.abs(value) < below);
  return `${significant(value * factor)} ${unit}`;
}

/** How long ago, as `3 s ago`; `now` in milliseconds. */
export function ago(time, now = Date.now()) {
  const passed = (now - new Date(time)) / 1000;
  if (passed < -1) return `in ${seconds(-passed)}`;
  return passed < 1 ? "now" : `${seconds(Math.floor(passed))} ago`;
}

/** Two digits for small numbers, none after the point for large ones. */
export function significant(value) {
  if (value === null || value === undefined) return "–";
  return numberFormat()(Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(2)));
}

export function count(value) {
  return value === null || value === undefined ? "–" : numberFormat()(value);
}

/** `3.2/s` */
export function perSecond(value) {
  return value === null || value === undefined ? "–" : `${significant(value)}/s`;
}

/** `12 %` of 0.12. */
export function percent(value) {
  return value === null || value === undefined ? "–" : `${significant(value * 100)} %`;
}

/** `12 MiB` */
export function bytes(value) {
  if (value === null || value === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(value, 1)) / 10));
  return `${significant(value / 1024 ** power)} ${units[power]}`;
}

/** The first digits of a SHA-256, as the log shows them. */
export function shortHash(hash) {
  return hash ? hash.slice(0, 12) : "–";
}

/** The first line of a text: a trap has a stack that helps only the author of a component. */
export function firstLine(text) {
  return (text ?? "").split("\n", 1)[0];
}

/** A text with a capital letter and a full stop. */
export function sentence(text) {
  if (!text) return "";
  const whole = text[0].toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(whole) ? whole : `${whole}.`;
}

/**
 * JSON text with line breaks and indentation; text that is no JSON unchanged. Works on the text itself: numbers and strings stay as the
 * charge point wrote them.
 */
export function pretty(text) {
  try {
    JSON.parse(text);
  } catch {
    return text;
  }
  let depth = 0;
  const line = () => `\n${"  ".repeat(depth)}`;
  return text.replace(/"(?:[^"\\]|\\.)*"|[[{]\s*[\]}]|[[\]{},:]|\s+/g, (token) => {
    if (token[0] === '"') return token;
    if (/^\s/.test(token)) return "";
    if (token.length > 1) return token.replace(/\s/g, "");
    if ("[{".includes(token)) return (depth += 1), token + line();
    if ("]}".includes(token)) return (depth -= 1), line() + token;
    return token === "," ? token + line() : token === ":" ? ": " : token;
  });
}
