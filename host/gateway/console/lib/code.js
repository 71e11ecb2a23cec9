// Text with colours: JSON, jq and TOML, by Prism's tokens. They become elements, so that the text is never markup.
import { html, useEffect, useRef, useState } from "./ui.js";

const FILES = ["prism-core.min.js", "prism-json.min.js", "prism-jq.min.js", "prism-toml.min.js"];
/** Longer texts stay without colours, so that the page stays quick. Characters. */
const MAX_COLOURED = 50_000;
let loading = null;

/** Prism is no ES module: it is loaded as a script, when it is first needed. */
function prism() {
  loading ??= FILES.reduce((before, file) => before.then(() => load(`/console/vendor/${file}`)), Promise.resolve()).then(() => window.Prism);
  return loading;
}

function load(src) {
  return new Promise((resolve, reject) => {
    // Without `manual`, Prism looks for code in the page by itself.
    window.Prism ??= { manual: true };
    document.head.append(Object.assign(document.createElement("script"), { src, onload: resolve, onerror: reject }));
  });
}

function usePrism() {
  const [ready, set] = useState(null);
  useEffect(() => {
    let gone = false;
    prism().then((loaded) => gone || set(() => loaded), () => {});
    return () => (gone = true);
  }, []);
  return ready;
}

function elements(tokens) {
  return tokens.map((token) => {
    if (typeof token === "string") return token;
    const content = Array.isArray(token.content) ? elements(token.content) : token.content;
    return html`<span class=${`token ${token.type}`}>${typeof content === "object" && !Array.isArray(content) ? elements([content]) : content}</span>`;
  });
}

function coloured(loaded, text, language) {
  const grammar = text.length <= MAX_COLOURED && loaded?.languages?.[language];
  return grammar ? elements(loaded.tokenize(text, grammar)) : text;
}

/** `language`: json, jq, toml or none. */
export function Code({ text, language = "json", label }) {
  const loaded = usePrism();
  return html`<pre class="code" tabindex="0" role=${label ? "region" : undefined} aria-label=${label}><code>${coloured(loaded, text, language)}</code></pre>`;
}

/**
 * A text area with colours and marks. `mark`: `{line, column, text}`, both from 1: that line is marked, and `text` stands below the editor.
 * The text area is a plain one, for keyboards and screen readers; the coloured text lies behind it.
 */
export function Editor({ value, onInput, language = "json", label, rows = 12, mark, readOnly = false }) {
  const loaded = usePrism();
  const back = useRef(null);
  const scroll = (event) => {
    back.current.scrollTop = event.target.scrollTop;
    back.current.scrollLeft = event.target.scrollLeft;
  };
  // Tab indents; Escape, then Tab leaves, as everywhere.
  const leaving = useRef(false);
  const key = (event) => {
    if (event.key === "Escape") leaving.current = true;
    else if (event.key === "Tab" && !event.shiftKey && !leaving.current && !readOnly) {
      event.preventDefault();
      document.execCommand("insertText", false, "  ");
    } else leaving.current = false;
  };
  const lines = value.split("\n");
  return html`<div class=${`editor ${mark ? "has-mark" : ""}`} style=${{ "--rows": rows }}>
    <pre class="editor-back" aria-hidden="true" ref=${back}><code>${
      mark?.line
        ? html`<span class="mark-line" style=${{ top: `calc(var(--line) * ${mark.line - 1})` }}></span>
            <span class="mark-column" style=${{ top: `calc(var(--line) * ${mark.line - 1})`, left: `${(mark.column ?? 1) - 1}ch` }}></span>`
        : null
    }${coloured(loaded, value, language)}${lines.at(-1) === "" ? " " : ""}</code></pre>
    <textarea aria-label=${label} spellcheck=${false} autocapitalize="off" autocomplete="off" wrap="off" value=${value} readOnly=${readOnly}
      aria-invalid=${mark ? "true" : "false"} onInput=${(event) => onInput(event.target.value)} onScroll=${scroll} onKeyDown=${key}></textarea>
    ${mark && html`<p class="mark-text" role="alert">${mark.text}</p>`}
  </div>`;
}
