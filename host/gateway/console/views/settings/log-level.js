// Which lines the log has.
import { html } from "../../lib/ui.js";
import { usePoll } from "../../lib/poll.js";
import { Failure, Section } from "../../lib/widgets.js";

const EVERY = 10_000;

export function LogLevel() {
  const { data, error, reload } = usePoll("/api/v1/log-level", { every: EVERY });
  return html`<${Section} title="Log level" id="part-log" tabindex="-1">
    <${Failure} error=${error} kept=${Boolean(data)} retry=${reload} />
    <p class="log-filter"><code>${data?.filter ?? "\u00a0"}</code></p>
    <p class="soft">Change it until the restart: <code>ocpp-gateway ctl log-level debug</code></p>
  <//>`;
}
