// The charts of the last hour, and their values as a table.
import { html } from "../../lib/ui.js";
import { Section } from "../../lib/widgets.js";
import { Charts } from "./charts.js";
import { Values } from "./values.js";

export default function LastHour({ figures }) {
  return html`<${Section} title="The last hour" actions=${html`<small>${reach(figures)}</small>`}>
    <${Charts} figures=${figures} />
    <${Values} figures=${figures} />
  <//>`;
}

/** Says how much of the hour the gateway has seen. */
function reach({ times, step, read }) {
  if (!times.length) return !read ? "" : "The first figures come ten seconds after the start of the gateway.";
  const minutes = Math.round(((times.at(-1) - times[0]) + step) / 60);
  return `Steps of ${step} s${minutes < 59 ? `, for ${minutes} min so far` : ""}. Point at a chart for its values.`;
}
