// Another order of the transforms.
import { html, useState } from "../../lib/ui.js";
import { ChangeButton, Failure, Section } from "../../lib/widgets.js";
import { makeChange } from "./changes.js";

const WORDS = { path: "/api/v1/transforms/order", method: "PUT", action: "Put live", done: "Messages are handled in this order." };

/** Drop-ins stand behind all others, in the order of their file names. */
export function ChangeOrder({ transforms, onClose }) {
  const running = transforms.filter(({ origin }) => origin !== "drop-in" && origin !== "default").map(({ name }) => name);
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
  const put = (body, title, text) => () => {
    setError(null);
    makeChange({ ...WORDS, body, title, text }).then((made) => made && onClose(), setError);
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
