// The shell: who is asking, which view, and whether the gateway answers. What it imports becomes one file with it when the gateway is built.
import { html, render, useEffect, useLayoutEffect, useState } from "./lib/ui.js";
import { aheadRead, connection, me, setToken, token, whoAmI } from "./lib/api.js";
import { useStore } from "./lib/poll.js";
import { href, parse, useRoute } from "./lib/router.js";
import { loadStyle } from "./lib/styles.js";
import { ConfirmDialog, Failure, Notes } from "./lib/widgets.js";
import Overview from "./views/overview.js";

/**
 * Path, name in the navigation, module and style sheets of each view; those of the overview are in index.html. A module exports its view
 * as default; it gets `{path, query}`.
 */
const VIEWS = [
  ["", "Overview", async () => ({ default: Overview }), []],
  ["charge-points", "Charge points", () => import("./views/charge-points.js"), ["charge-points", "messages", "trace"]],
  ["call", "Send a CALL", () => import("./views/call.js"), ["charge-points", "call"]],
  ["transforms", "Transforms", () => import("./views/transforms.js"), ["transforms", "trace"]],
  ["playground", "Playground", () => import("./views/playground.js"), ["playground", "trace"]],
  ["events", "Events", () => import("./views/events.js"), ["events"]],
  ["settings", "Settings", () => import("./views/settings.js"), ["settings"]],
];

/** Milliseconds that the first drawing waits for what it shows. */
const PATIENCE = 100;

/** Views that were read, by path. */
const loaded = new Map();

/** Reads what a view needs, and resolves to it. */
async function loadView([path, , load, styles]) {
  const [module] = await Promise.all([load(), ...styles.map((name) => loadStyle(`/console/styles/${name}.css`))]);
  loaded.set(path, module.default);
  return module.default;
}

function App() {
  const known = useStore(me);
  const [failure, setFailure] = useState(null);
  const ask = (answer = whoAmI()) => answer.then(() => setFailure(null), (error) => error.status !== 401 && setFailure(error));
  useEffect(() => void ask(asked), []);
  if (known === "unauthorized") return html`<${Login} />`;
  if (!known && failure) return html`<main class="login"><${Failure} error=${failure} retry=${() => ask()} /></main>`;
  // With a token the view is shown before the gateway has said that it is right: it nearly always is.
  if (!known && !token()) return html`<main class="login"></main>`;
  return html`<${Shell} known=${known ?? {}} />`;
}

/** As in icon.svg. A browser makes a page of its own for each picture of this kind, which takes longer than drawing it. */
function Icon({ size }) {
  return html`<svg viewBox="0 0 32 32" width=${size} height=${size} aria-hidden="true">
    <rect width="32" height="32" rx="7" fill="#0b6e4f" /><path d="M18 4 8 18h6l-1 10 11-15h-7z" fill="#fff" />
  </svg>`;
}

function Login() {
  const [fault, setFault] = useState(token() ? "This token is wrong." : null);
  const submit = async (event) => {
    event.preventDefault();
    setToken(new FormData(event.target).get("token").trim());
    try {
      await whoAmI();
    } catch (error) {
      setToken(null);
      setFault(error.status === 401 ? "This token is wrong." : error.message);
    }
  };
  useEffect(() => {
    document.title = "OCPP gateway";
  }, []);
  return html`<main class="login">
    <form onSubmit=${submit}>
      <h1><${Icon} size=${28} /> OCPP gateway</h1>
      <label class="field">
        <span class="label">Token</span>
        <input name="token" type="password" autocomplete="off" required autofocus />
        <small class="hint">The key admin.token or admin.viewer_token of the configuration. It is kept in this tab only.</small>
      </label>
      ${fault && html`<p class="fault" role="alert">${fault}</p>`}
      <button class="primary">Continue</button>
    </form>
  </main>`;
}

function Shell({ known }) {
  const route = useRoute();
  const [first = ""] = route.path;
  const logOut = () => {
    setToken(null);
    me.set("unauthorized");
  };
  return html`<a class="skip" href="#view" onClick=${(event) => (event.preventDefault(), document.querySelector("#view h1")?.focus())}>Skip to the view</a>
    <aside class="side">
      <p class="brand"><${Icon} size=${22} /> OCPP gateway</p>
      <nav aria-label="Views">
        ${VIEWS.map(([path, name]) => html`<a key=${path} href=${href(path ? [path] : [])} aria-current=${first === path ? "page" : undefined}>${name}</a>`)}
      </nav>
      <p class="who">
        ${known.gateway} ${known.token && html`· ${known.token} <button type="button" class="link" onClick=${logOut}>Forget the token</button>`}
      </p>
    </aside>
    <main id="view"><${Lost} /><${View} key=${first} name=${first} route=${route} /></main>
    <${ConfirmDialog} /><${Notes} />`;
}

/** Says that the gateway does not answer; goes away by itself. */
function Lost() {
  const state = useStore(connection);
  return html`<div class="lost" role="status" aria-live="polite">
    ${state === "lost" && html`<p>The gateway does not answer. What you see is old. Trying again every two seconds.</p>`}
  </div>`;
}

function View({ name, route }) {
  const [state, setState] = useState({ Loaded: loaded.get(name) });
  const view = VIEWS.find(([path]) => path === name);
  const load = () => view && loadView(view).then((Loaded) => setState({ Loaded }), (error) => setState({ error }));
  // Before the frame around it is drawn, not after it.
  useLayoutEffect(() => void (state.Loaded || load()), [name]);
  if (!view) return html`<h1 tabindex="-1">No such view</h1><p><a href="#/">To the overview</a></p>`;
  if (state.error) return html`<${Failure} error=${state.error} retry=${load} />`;
  return state.Loaded ? html`<${state.Loaded} path=${route.path.slice(1)} query=${route.query} />` : null;
}

// The first view is read while it is asked who this is; `ahead.js` has asked for what the overview shows.
const firstView = VIEWS.find(([path]) => path === (parse(location.hash).path[0] ?? ""));
const shown = aheadRead();
const asked = whoAmI();
const read = [asked, firstView && loadView(firstView), shown].map((one) => Promise.resolve(one).catch(() => {}));
// Drawing takes longer than the answers of a gateway that is near: an empty frame first would come at the cost of the full one.
const patience = new Promise((resolve) => setTimeout(resolve, PATIENCE));
Promise.race([Promise.all(read), patience]).then(() => render(html`<${App} />`, document.getElementById("app")));
