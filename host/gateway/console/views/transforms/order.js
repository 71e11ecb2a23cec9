// Another order of the transforms.
import { html, useState } from "../../lib/ui.js";
import { request } from "../../lib/api.js";
import { ChangeButton, confirmed, Failure, Section } from "../../lib/widgets.js";
import { makeChange } from "./changes.js";

const WORDS = { path: "/api/v1/transforms/order", method: "PUT", action: "Put live", done: "Messages are handled in this order." };

/** Those whose order can be changed. Drop-ins stand behind all others, in the order of their file names. */
function namesOf(transforms) {
  return transforms.filter(({ origin }) => origin !== "drop-in" && origin !== "default").map(({ name }) => name);
}

/** Whether the order is still the one with which this one began, or what came of it since may be undone. */
async function confirmedOrder(began) {
  const now = namesOf(await request("/api/v1/transforms"));
  if (now.join("\n") === began.join("\n")) return true;
  const text = html`<span class="line">You began with ${began.join(" → ")}.</span>
    <span class="line">Now ${now.join(" → ")} runs.</span>`;
  return confirmed({ title: "The transforms were changed since you began", text, action: "Go on" });
}

export function ChangeOrder({ transforms, onClose }) {
  const running = namesOf(transforms);
  const [began] = useState(running);
  const [names, setNames] = useState(running);
  const [error, setError] = useState(null);
  const isSame = names.join("\n") === running.join("\n");
  const move = (place, by) => (event) => {
    const next = [...names];
    [next[place], next[place + by]] = [next[place + by], next[place]];
    setNames(next);
    // The button of the same transform keeps the focus, so that it can be pressed again.
    const item = event.currentTarget.closest("li");
    requestAnimationFrame(() => item.querySelector(`[data-by="${by}"]:enabled`)?.focus() ?? item.querySelector("button:enabled")?.focus());
  };
  const put = (body, title, text) => async () => {
    setError(null);
    try {
      if ((await confirmedOrder(began)) && (await makeChange({ ...WORDS, body, title, text }))) onClose();
    } catch (problem) {
      setError(problem);
    }
  };
  return html`<${Section} title="Change the order">
    <p class="soft">From the first to the last for messages of charge points, in reverse for messages to them. Drop-ins stand behind.</p>
    <${Failure} error=${error} />
    <ol class="order">
      ${names.map((name, place) => html`<li key=${name}>
        <span>${name}</span>
        <button type="button" data-by="-1" disabled=${place === 0} aria-label=${`${name}: further to the front`}
          onClick=${move(place, -1)}>↑</button>
        <button type="button" data-by="1" disabled=${place === names.length - 1} aria-label=${`${name}: further to the back`}
          onClick=${move(place, 1)}>↓</button>
      </li>`)}
    </ol>
    <div class="actions">
      <${ChangeButton} class="primary" disabled=${isSame}
        onClick=${put(names, "Change the order?", names.join(" → "))}>Put live…</${ChangeButton}>
      <${ChangeButton} onClick=${put([], "Return to the order of the configuration?")}>As in the configuration…</${ChangeButton}>
      <button type="button" onClick=${onClose}>Cancel</button>
    </div>
  </${Section}>`;
}
