// What is wrong, the numbers now, and the last hour.
import { html, useEffect } from "../lib/ui.js";
import { useMe, usePoll } from "../lib/poll.js";
import { useFigures } from "../lib/figures.js";
import { loadCharts } from "../lib/chart.js";
import { usePart } from "../lib/part.js";
import { Failure, Page, Section, Time } from "../lib/widgets.js";
import { Charts } from "./overview/charts.js";
import { Find } from "./overview/find.js";
import { Numbers } from "./overview/numbers.js";
import { Problems } from "./overview/problems.js";
import { Values } from "./overview/values.js";

/** Milliseconds between questions for what is wrong, and for the transforms. */
const PROBLEMS_EVERY = 5000;
const TRANSFORMS_EVERY = 10_000;

export default function Overview({ query }) {
  const me = useMe();
  const figures = useFigures();
  const problems = usePoll("/api/v1/problems", { every: PROBLEMS_EVERY });
  const transforms = usePoll("/api/v1/transforms", { every: TRANSFORMS_EVERY });
  // All of the view appears at once, when it is known how much room the problems take.
  const ready = Boolean(problems.data || problems.error);
  useEffect(() => void loadCharts().catch(() => {}), []);
  useProblemsInTitle(problems.data?.problems.length ?? 0);
  usePart(query.part, ready);
  const since = me.started && html`Gateway ${me.gateway}, running since <${Time} value=${me.started} />`;
  return html`<${Page} title="Overview" subtitle=${since} actions=${html`<${Find} />`}>
    ${ready && html`<${Problems} problems=${problems.data?.problems} error=${problems.error} retry=${problems.reload} />
      ${figures.error && html`<${Failure} error=${figures.error} kept retry=${figures.reload} />`}
      <${Numbers} figures=${figures} transforms=${transforms.data} />
      <${Section} title="The last hour" actions=${html`<small>${reach(figures)}</small>`}>
        <${Charts} figures=${figures} />
        <${Values} figures=${figures} />
      <//>`}
  <//>`;
}

/** Says how much of the hour the gateway has seen. */
function reach({ times, step, read }) {
  if (!times.length) return !read ? "" : "The first figures come ten seconds after the start of the gateway.";
  const minutes = Math.round(((times.at(-1) - times[0]) + step) / 60);
  return `Steps of ${step} s${minutes < 59 ? `, for ${minutes} min so far` : ""}. Point at a chart for its values.`;
}

/** The number of problems stands in the title of the tab, where it can be seen from another one. */
function useProblemsInTitle(count) {
  useEffect(() => {
    document.title = `${count ? `(${count}) ` : ""}Overview – OCPP gateway`;
  }, [count]);
}
