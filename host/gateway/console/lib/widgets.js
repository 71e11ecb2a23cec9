// Parts that several views use.
import { html, useEffect, useRef, useState } from "./ui.js";
import { ago, clock, fullTime } from "./format.js";
import { href } from "./router.js";
import { useMe, useNow, useStore } from "./poll.js";
import { Store } from "./api.js";

/** A view: heading, actions beside it, content. Sets the title of the tab. */
export function Page({ title, subtitle, actions, back, children }) {
  useEffect(() => {
    document.title = `${title} – OCPP gateway`;
  }, [title]);
  return html`<header class="page-head">
      <div>
        ${back && html`<nav class="crumbs" aria-label="Breadcrumb"><a href=${href(back.path)}>${back.text}</a></nav>`}
        <h1 tabindex="-1">${title}</h1>
        ${subtitle && html`<p class="subtitle">${subtitle}</p>`}
      </div>
      ${actions && html`<div class="actions">${actions}</div>`}
    </header>
    ${children}`;
}

/** A titled part of a view. */
export function Section({ title, actions, children, ...rest }) {
  return html`<section class="panel" ...${rest}>
    ${title && html`<header class="panel-head"><h2>${title}</h2>${actions && html`<div class="actions">${actions}</div>`}</header>`}
    ${children}
  </section>`;
}

/** A time in the reader's zone; the whole of it as a tooltip. `relative`: as "3 s ago", which stays true. */
export function Time({ value, relative = false }) {
  if (!value) return "–";
  const text = relative ? html`<${Ago} value=${value} />` : clock(value);
  // The tooltip is made when it is wanted: for hundreds of rows it would take long.
  const explain = (event) => (event.currentTarget.title = fullTime(value));
  return html`<time datetime=${value} onMouseEnter=${explain}>${text}</time>`;
}

function Ago({ value }) {
  const now = useNow(1000);
  return ago(value, now);
}

/** `tone`: ok, warn, bad, info or none. */
export function Badge({ tone = "none", children }) {
  return html`<span class=${`badge ${tone}`}>${children}</span>`;
}

/** A text of the gateway: what stands between backticks is code. */
export function Prose({ text }) {
  // Every other part stood between backticks.
  return (text ?? "").split(/`([^`\n]+)`/).map((part, at) => (at % 2 ? html`<code key=${at}>${part}</code>` : part));
}

/**
 * What went wrong, and a way to try again. `kept`: what was read before is still shown; the shell says then that the gateway does not answer, and
 * this does not say it again.
 */
export function Failure({ error, retry, kept = false }) {
  if (!error || (kept && error.status === 0)) return null;
  return html`<div class="notice bad" role="alert">
    <p><${Prose} text=${error.message ?? String(error)} /></p>
    ${retry && html`<button type="button" onClick=${retry}>Try again</button>`}
  </div>`;
}

export function Empty({ children }) {
  return html`<p class="empty">${children}</p>`;
}

/** A button that changes something: disabled, with the reason, for a token that may only look. */
export function ChangeButton({ children, disabled, title, class: name = "", ...rest }) {
  const { may_change: mayChange } = useMe();
  const reason = mayChange ? title : "The viewer token may look, not change.";
  return html`<button type="button" class=${name} disabled=${disabled || !mayChange} title=${reason} ...${rest}>${children}</button>`;
}

/** Asks before something that cannot be undone. Resolves to whether it was confirmed. */
export function confirmed({ title, text, action }) {
  return new Promise((resolve) => question.set({ title, text, action, resolve }));
}
const question = new Store(null);

/** The dialog of `confirmed`; in the shell, once. */
export function ConfirmDialog() {
  const asked = useStore(question);
  const dialog = useRef(null);
  useEffect(() => {
    if (asked) dialog.current?.showModal();
  }, [asked]);
  if (!asked) return null;
  const answer = (yes) => {
    question.set(null);
    asked.resolve(yes);
  };
  return html`<dialog ref=${dialog} onClose=${() => answer(dialog.current?.returnValue === "yes")} aria-labelledby="confirm-title">
    <h2 id="confirm-title">${asked.title}</h2>
    <p>${asked.text}</p>
    <form method="dialog" class="actions">
      <button value="no">Cancel</button>
      <button value="yes" class="danger">${asked.action}</button>
    </form>
  </dialog>`;
}

const notes = new Store([]);
let noteNumber = 0;

/** Says for some seconds that something was done; `tone` ok or bad. Read aloud by screen readers. */
export function note(text, tone = "ok") {
  const one = { id: (noteNumber += 1), text, tone };
  notes.set([...notes.value, one]);
  setTimeout(() => notes.set(notes.value.filter((other) => other !== one)), tone === "ok" ? 5000 : 12000);
}

/** The place of `note`; in the shell, once. */
export function Notes() {
  const shown = useStore(notes);
  return html`<div class="notes" role="status" aria-live="polite">
    ${shown.map(({ id, text, tone }) => html`<p key=${id} class=${`note ${tone}`}>${text}</p>`)}
  </div>`;
}

/** Tabs over `items` (`[[key, label], …]`), with the arrow keys. */
export function Tabs({ items, value, onChange, label }) {
  const move = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = (items.findIndex(([key]) => key === value) + step + items.length) % items.length;
    onChange(items[next][0]);
    event.currentTarget.children[next].focus();
  };
  return html`<div class="tabs" role="tablist" aria-label=${label} onKeyDown=${move}>
    ${items.map(
      ([key, text]) => html`<button type="button" role="tab" key=${key} aria-selected=${key === value} tabindex=${key === value ? 0 : -1}
        onClick=${() => onChange(key)}>${text}</button>`,
    )}
  </div>`;
}

/** A field of a form with its label, a hint and a fault. */
export function Field({ label, hint, fault, children }) {
  return html`<label class="field">
    <span class="label">${label}</span>
    ${children}
    ${hint && html`<small class="hint">${hint}</small>`}
    ${fault && html`<small class="fault" role="alert">${fault}</small>`}
  </label>`;
}

/** A place for a wide table: it scrolls by itself, with the keyboard too. */
export function ScrollX({ label, class: name = "", children }) {
  return html`<div class=${`scroll-x ${name}`} tabindex="0" role="region" aria-label=${label}>${children}</div>`;
}

/** Calls `onChange` when the text has not changed for `wait` milliseconds. `rest`: other attributes of the input. */
export function SearchBox({ value, onChange, label, wait = 250, ...rest }) {
  const [text, setText] = useState(value ?? "");
  const timer = useRef(null);
  useEffect(() => setText(value ?? ""), [value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const changed = (event) => {
    const next = event.target.value;
    setText(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => onChange(next), wait);
  };
  return html`<input type="search" aria-label=${label} placeholder=${label} value=${text} onInput=${changed} ...${rest} />`;
}

/** Gives the text to the browser as a file. */
export function download(name, text, type = "text/plain") {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = Object.assign(document.createElement("a"), { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}
