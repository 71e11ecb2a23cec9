// What happened: events as they come, and the changes that callers of the API made.
import { html } from "../lib/ui.js";
import { setQuery } from "../lib/router.js";
import { Page, Tabs } from "../lib/widgets.js";
import { Audit } from "./events/audit.js";
import { Live } from "./events/live.js";

const TABS = [["events", "Events"], ["audit", "Changes (audit)"]];

export default function Events({ query }) {
  const tab = query.tab === "audit" ? "audit" : "events";
  return html`<${Page} title="Events">
    <${Tabs} items=${TABS} value=${tab} label="Events and changes" onChange=${(key) => setQuery({ tab: key === "events" ? "" : key })} />
    ${tab === "audit"
      ? html`<${Audit} search=${query.search ?? ""} />`
      : html`<${Live} kind=${query.event ?? ""} chargePoint=${query.charge_point ?? ""} />`}
  <//>`;
}
