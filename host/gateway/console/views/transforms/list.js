// All transforms: the chain, the numbers, the drop-in directory; adding one, and another order.
import { html, useRef } from "../../lib/ui.js";
import { count, seconds, shortHash, significant } from "../../lib/format.js";
import { usePoll } from "../../lib/poll.js";
import { href, setQuery } from "../../lib/router.js";
import { Badge, ChangeButton, Empty, Failure, Page, Prose, ScrollX, Section, Time } from "../../lib/widgets.js";
import { AddTransform } from "./add.js";
import { Chain } from "./chain.js";
import { ChangeOrder } from "./order.js";
import { Conditions, matchText, originText } from "./words.js";

export function TransformList({ query }) {
  const list = usePoll("/api/v1/transforms", { every: 2000 });
  const dropIns = usePoll("/api/v1/drop-ins", { every: 5000 });
  const transforms = list.data ?? [];
  const turn = (wanted) => setQuery({ change: query.change === wanted ? "" : wanted });
  const close = () => (setQuery({ change: "" }), list.reload());
  const panel = query.change;
  const actions = html`<${ChangeButton} aria-expanded=${panel === "order"} onClick=${() => turn("order")}>Change the order</${ChangeButton}>
    <${ChangeButton} class="primary" aria-expanded=${panel === "add"} onClick=${() => turn("add")}>Add a transform</${ChangeButton}>`;
  return html`<${Page} title="Transforms" subtitle="What the gateway calls for each message, in its order." actions=${actions}>
    <${Failure} error=${list.error} retry=${list.reload} />
    ${panel === "add" && list.data && html`<${AddTransform} transforms=${transforms} onClose=${close} />`}
    ${panel === "order" && list.data && html`<${ChangeOrder} transforms=${transforms} onClose=${close} />`}
    <${Section} title="The chain" class="panel chain-panel">${list.data && html`<${Chain} transforms=${transforms} />`}</${Section}>
    <${Section} title="Numbers" class="panel numbers-panel"><${TransformTable} transforms=${transforms} /></${Section}>
    <${Section} title="Drop-in directory">
      <${Failure} error=${dropIns.error} retry=${dropIns.reload} />
      ${dropIns.data && html`<${DropIns} dropIns=${dropIns.data} transforms=${transforms} />`}
    </${Section}>
  </${Page}>`;
}

const HEAD = ["Name", "State", "Calls", "Per second", "Refusals", "Failures", "Per call", "For", "Version", "SHA-256", "From"];
const NUMERIC = new Set(["Calls", "Per second", "Refusals", "Failures", "Per call"]);

function TransformTable({ transforms }) {
  const rates = useRates(transforms);
  return html`<${ScrollX} label="Numbers of the transforms"><table>
    <thead><tr>
      ${HEAD.map((text) => html`<th key=${text} scope="col" class=${NUMERIC.has(text) ? "numeric" : ""}>${text}</th>`)}
    </tr></thead>
    <tbody>${transforms.map((transform) => html`<tr key=${transform.name}>
      <th scope="row"><a href=${href(["transforms", transform.name])}>${transform.name}</a></th>
      <td><${Conditions} transform=${transform} /></td>
      <td class="numeric">${count(transform.calls)}</td>
      <td class="numeric">${significant(rates.get(transform.name))}</td>
      <td class="numeric">${count(transform.refusals)}</td>
      <td class=${`numeric ${transform.failures > 0 ? "fault" : ""}`}>${count(transform.failures)}</td>
      <td class="numeric nowrap">${seconds(transform.mean_call_us === null ? null : transform.mean_call_us / 1e6)}</td>
      <td>${matchText(transform.match)}</td>
      <td>${transform.component} ${transform.version}</td>
      <td class="mono" title=${transform.program_sha256 ?? transform.sha256}>${shortHash(transform.program_sha256 ?? transform.sha256)}</td>
      <td>${originText(transform.origin)}</td>
    </tr>`)}</tbody>
  </table><//>`;
}

/** Calls per second of each transform, since it was read before. */
function useRates(transforms) {
  const kept = useRef({ transforms: null, at: 0, rates: new Map() });
  if (kept.current.transforms !== transforms) {
    const at = performance.now();
    const { transforms: old, at: before } = kept.current;
    const calls = new Map((old ?? []).map(({ name, calls: number }) => [name, number]));
    // Another version counts anew.
    const rate = ({ name, calls: now }) => (now >= calls.get(name) ? ((now - calls.get(name)) * 1000) / (at - before) : null);
    kept.current = { transforms, at, rates: new Map(transforms.map((transform) => [transform.name, rate(transform)])) };
  }
  return kept.current.rates;
}

function DropIns({ dropIns: { directory, drop_ins: dropIns }, transforms }) {
  const runs = new Set(transforms.map(({ name }) => name));
  if (!directory) return html`<${Empty}>There is no drop-in directory. Name one in the configuration, as drop_in.directory.</${Empty}>`;
  if (!dropIns.length) return html`<${Empty}>Copy 10-name.jq or 10-name.wasm to ${directory}: it is used within a second.</${Empty}>`;
  return html`<p class="soft">${directory}</p>
    <${ScrollX} label="Files of the drop-in directory" class="drop-ins"><table>
      <thead><tr>${["Files", "Transform", "State"].map((text) => html`<th key=${text} scope="col">${text}</th>`)}</tr></thead>
      <tbody>${dropIns.map(({ files, transform, fault, fault_since: since }) => html`<tr key=${files.join()}>
        <td class="mono">${files.join(", ")}</td>
        <td>${runs.has(transform) ? html`<a href=${href(["transforms", transform])}>${transform}</a>` : (transform ?? "–")}</td>
        <td>${fault
          ? html`<${Badge} tone="bad">not used</${Badge}> <span class="soft">since <${Time} value=${since} /></span>
            <pre class="fault"><${Prose} text=${fault} /></pre>`
          : html`<${Badge} tone="ok">used</${Badge}>`}</td>
      </tr>`)}</tbody>
    </table><//>`;
}
