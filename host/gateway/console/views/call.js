import { html } from "../lib/ui.js";
import { Page } from "../lib/widgets.js";
export default function View() { return html`<${Page} title="call" />`; }
