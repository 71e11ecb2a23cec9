// The settings in force, the limits that were, the certificates and the log level. Read only: the file and the environment set them.
import { html } from "../lib/ui.js";
import { usePoll } from "../lib/poll.js";
import { usePart } from "../lib/part.js";
import { Failure, Page } from "../lib/widgets.js";
import { Certificates } from "./settings/certificates.js";
import { Listeners } from "./settings/listeners.js";
import { Limits } from "./settings/limits.js";
import { LogLevel } from "./settings/log-level.js";
import { InForce } from "./settings/in-force.js";

const EVERY = 10_000;

export default function Settings({ query }) {
  const { data, error, reload } = usePoll("/api/v1/config", { every: EVERY });
  usePart(query.part, Boolean(data));
  return html`<${Page} title="Settings" subtitle="Read only. The configuration file and the environment set them; transforms as they run are under Transforms.">
    <${Failure} error=${error} kept=${Boolean(data)} retry=${reload} />
    ${data && html`<div class="settings-side">
        <${Limits} limits=${data.limits} />
        <div>
          <${Certificates} certificates=${data.certificates} />
          <${LogLevel} />
        </div>
      </div>
      <${Listeners} />
      <${InForce} settings=${data.settings} search=${query.search ?? ""} />`}
  <//>`;
}
