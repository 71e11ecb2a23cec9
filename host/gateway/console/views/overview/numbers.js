// The numbers now: each with its unit, and one line that says what to compare it with.
import { html } from "../../lib/ui.js";
import { bytes, count, perSecond, percent, seconds } from "../../lib/format.js";
import { href } from "../../lib/router.js";
import { latest, latestKnown, mean, total } from "../../lib/figures.js";
import { Badge } from "../../lib/widgets.js";

const NOW = "in the last ten seconds";

/** `figures`: of `useFigures`; `transforms`: as in `/api/v1/transforms`, or null. */
export function Numbers({ figures, transforms }) {
  const now = (name) => latest(figures, name);
  const known = figures.times.length > 0;
  const errors = mean(figures, "errors");
  const calls = mean(figures, "calls_answered");
  const before = figures.series.charge_points?.[0] ?? null;
  return html`<section class="numbers" aria-label="The numbers now">
    <dl>
      <${Tile} name="Charge points on line" to=${href(["charge-points"])} value=${count(now("charge_points"))}
        more=${before !== null && `${hourAgo(figures)}: ${count(before)}`} />
      <${Tile} name="Messages from charge points" value=${perSecond(now("messages_from_charge_points"))} more=${known && NOW} />
      <${Tile} name="Messages to charge points" value=${perSecond(now("messages_to_charge_points"))} more=${known && NOW} />
      <${Tile} name="Errors" to=${href(["events"], { event: "incident" })} value=${perSecond(errors)} more=${share(errors, calls)} />
      <${Tile} name="Refused connections" to=${href(["charge-points"], { state: "refused" })}
        value=${count(total(figures, "refused"))} more=${within(figures)} />
      <${Answers} name="Back ends answer in" figures=${figures} from="from_charge_points" />
      <${Answers} name="Charge points answer in" figures=${figures} from="to_charge_points" />
      <${Broker} connected=${now("broker_connected")} inFlight=${now("in_flight")} backlog=${now("backlog")} />
      <${Failing} rate=${mean(figures, "transform_failures")} transforms=${transforms} />
      <${Tile} name="Memory and CPU" value=${bytes(now("memory"))} more=${known && `CPU: ${percent(now("cpu"))} of one core`} />
    </dl>
  </section>`;
}

/** `to`: where its name leads; `tone`: bad or warn, if the value is. */
function Tile({ name, value, more, to, tone }) {
  return html`<div class=${`tile ${tone ?? ""}`}>
    <dt>${to ? html`<a href=${to}>${name}</a>` : name}</dt>
    <dd class="tile-value">${value}</dd>
    <dd class="tile-more">${more || "\u00a0"}</dd>
  </div>`;
}

function hourAgo({ times, step }) {
  const minutes = Math.round((times.at(-1) - times[0] + step) / 60);
  return minutes > 58 ? "an hour ago" : minutes < 1 ? "at first" : `${minutes} min ago`;
}

function within({ times, step }) {
  if (!times.length) return null;
  const minutes = Math.round((times.at(-1) - times[0] + step) / 60);
  return minutes > 58 ? "in the last hour" : `in ${Math.max(minutes, 1)} min`;
}

/** The part of the CALLs that ended in an error, in the last minute. */
function share(errors, answered) {
  if (errors === null) return null;
  return errors + answered > 0 ? `${percent(errors / (errors + answered))} of the CALLs` : "no CALL in the last minute";
}

function Answers({ name, figures, from }) {
  const median = latestKnown(figures, `answer_p50_${from}`);
  const slow = latestKnown(figures, `answer_p99_${from}`);
  const more = slow === null ? "no answer in the last minute" : `median; 99 % within ${seconds(slow)}`;
  return html`<${Tile} name=${name} value=${seconds(median)} more=${figures.times.length ? more : null} />`;
}

function Broker({ connected, inFlight, backlog }) {
  const away = connected === 0;
  const value = connected === null ? "–" : away ? html`<${Badge} tone="bad">away<//>` : "connected";
  const more = inFlight !== null && `backlog ${count(backlog)}, in flight ${count(inFlight)}`;
  return html`<${Tile} name="Broker" value=${value} tone=${away && "bad"} more=${more} />`;
}

/** Transforms that fail: those with a stopped hook by name, and the rate of failures of all. */
function Failing({ rate, transforms }) {
  const stopped = (transforms ?? []).filter((one) => one.stopped || one.stopped_charge_points || one.stopped_hooks?.length);
  const names = stopped.map(({ name }) => name).join(", ");
  const tone = stopped.length ? "bad" : rate > 0 && "warn";
  const more = stopped.length ? `stopped: ${names}` : transforms && `${transforms.length} run, none is stopped`;
  return html`<${Tile} name="Transform failures" to=${href(["transforms"])} value=${perSecond(rate)} tone=${tone} more=${more} />`;
}
