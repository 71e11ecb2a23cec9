// What is wrong, the numbers now, and the last hour.
import { html, useEffect, useState } from "../lib/ui.js";
import { useMe, usePoll } from "../lib/poll.js";
import { useFigures } from "../lib/figures.js";
import { usePart } from "../lib/part.js";
import { Failure, Page, Time } from "../lib/widgets.js";
import { Find } from "./overview/find.js";
import { Numbers } from "./overview/numbers.js";
import { Problems } from "./overview/problems.js";

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
  useProblemsInTitle(problems.data?.problems.length ?? 0);
  usePart(query.part, ready);
  const since = me.started && html`Gateway ${me.gateway}, running since <${Time} value=${me.started} />`;
  return html`<${Page} title="Overview" subtitle=${since} actions=${html`<${Find} />`}>
    ${ready && html`<${Problems} problems=${problems.data?.problems} error=${problems.error} retry=${problems.reload} />
      ${figures.error && html`<${Failure} error=${figures.error} kept retry=${figures.reload} />`}
      <${Numbers} figures=${figures} transforms=${transforms.data} />
      <${LastHour} figures=${figures} />`}
  <//>`;
}

/** The charts are read once the numbers are there: these are what is looked at first. */
function LastHour({ figures }) {
  const [Loaded, setLoaded] = useState(null);
  useEffect(() => void import("./overview/last-hour.js").then((module) => setLoaded(() => module.default), () => {}), []);
  return Loaded && html`<${Loaded} figures=${figures} />`;
}

/** The number of problems stands in the title of the tab, where it can be seen from another one. */
function useProblemsInTitle(count) {
  useEffect(() => {
    document.title = `${count ? `(${count}) ` : ""}Overview – OCPP gateway`;
  }, [count]);
}
