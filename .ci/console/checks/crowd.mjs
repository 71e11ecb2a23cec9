// Thousands of charge points, and hundreds of messages a second.
import { below, shows, visible } from "../expect.mjs";
import { SWARM_SIZE, swarmIdentity } from "../identities.mjs";
import { list, messages, row } from "../names.mjs";
import { answer } from "../programs.mjs";
import { watchTasks } from "../browser.mjs";
import { until } from "../wait.mjs";

/** Messages a second: CALLs and their answers. */
const RATE = 500;
/** Milliseconds that the page is watched. */
const WATCHED = 6_000;
/** Milliseconds of the longest task in the page. */
const LONGEST = 100;
const LAST = swarmIdentity(SWARM_SIZE - 1);

export default async function crowd({ check, programs }) {
  let swarm = null;
  const connect = `${SWARM_SIZE} charge points connect within a minute`;
  await check(connect, async () => {
    swarm = programs.fork("swarm.mjs", [programs.charge_points, String(SWARM_SIZE)]);
    await answer(swarm, "connected");
  }, { within: 60_000 });
  if (!swarm) return;
  const count = async () => {
    const counted = answer(swarm, "counted");
    swarm.send({ kind: "count" });
    return (await counted).messages;
  };
  /** Watches the page while messages pass, and something is done with it; the longest task, in words. */
  const busy = async (page, among, act) => {
    swarm.send({ kind: "send", rate: RATE / 2, among });
    try {
      const [longest, before, begun] = [await watchTasks(page), await count(), performance.now()];
      await act();
      await until("the end of the watch", () => performance.now() - begun > WATCHED, 2 * WATCHED);
      const rate = ((await count()) - before) / ((performance.now() - begun) / 1000);
      const took = Math.round(await longest());
      below(RATE * 0.9, rate, "messages a second that should pass, beside those that did");
      below(took, LONGEST, "milliseconds of the longest task");
      return `the longest task took ${took ? `${took} ms` : "less than 50 ms"}, at ${Math.round(rate)} messages a second`;
    } finally {
      swarm.send({ kind: "send", rate: 0 });
    }
  };

  await check(`the table has ${SWARM_SIZE} charge points: it is scrolled to its end, and searched`, async (tabs) => {
    const page = await tabs.open("charge-points");
    await visible(list(page).table, "the table");
    await shows(page.locator("#view"), /5[,.\s]?0\d\d/, "how many there are");
    await scrollToEnd(page);
    await list(page).search.fill(LAST);
    await visible(list(page).link(LAST), "the last charge point");
    await until("only that one, below the headings", async () => (await list(page).rows.count()) === 2);
  });

  await check(`no task takes more than ${LONGEST} ms while ${RATE} messages a second pass and the table is scrolled`, async (tabs) => {
    const page = await tabs.open("charge-points");
    await visible(list(page).table, "the table");
    await visible(row(page, swarmIdentity(0)), "the first of them");
    return busy(page, SWARM_SIZE, () => scrollToEnd(page));
  });

  await check(`no task takes more than ${LONGEST} ms while ${RATE} messages a second of one charge point are shown`, async (tabs) => {
    const page = await tabs.open(`charge-points/${swarmIdentity(0)}`);
    await visible(messages(page).pause, "its messages");
    return busy(page, 1, () => visible(messages(page).of("Heartbeat"), "rows"));
  });

  await check(`no task takes more than ${LONGEST} ms while ${RATE} messages a second pass and the overview is open`, async (tabs) => {
    const page = await tabs.open("");
    await visible(page.locator("#view h1"), "the overview");
    return busy(page, SWARM_SIZE, async () => {});
  });
}

/** Scrolls with the wheel until the last charge point is in sight. */
async function scrollToEnd(page) {
  await list(page).table.hover({ position: { x: 300, y: 100 } });
  await until("the last charge point", async () => {
    await page.mouse.wheel(0, 20_000);
    return list(page).link(LAST).isVisible();
  }, 30_000);
}
