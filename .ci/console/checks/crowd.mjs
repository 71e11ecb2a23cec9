// Thousands of charge points, and hundreds of messages a second.
import { shows, visible } from "../expect.mjs";
import { SWARM_SIZE, swarmIdentity } from "../identities.mjs";
import { list, messages, row } from "../names.mjs";
import { answer } from "../programs.mjs";
import { watchTasks } from "../browser.mjs";
import { until } from "../wait.mjs";

/** Messages a second: CALLs and their answers. */
const RATE = 500;
/** Milliseconds that the page is watched. */
const WATCHED = 6_000;
/** Milliseconds of processor time of the longest task in the page. */
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
  /** Watches the page while messages pass and `act` does something with it: its longest task. */
  const watch = async (page, among, act) => {
    swarm.send({ kind: "send", rate: RATE / 2, among });
    const longest = await watchTasks(page);
    try {
      const [before, begun] = [await count(), performance.now()];
      await act();
      await until("the end of the watch", () => performance.now() - begun > WATCHED, 2 * WATCHED);
      const rate = Math.round(((await count()) - before) / ((performance.now() - begun) / 1000));
      return { rate, ...(await longest()) };
    } catch (error) {
      await longest().catch(() => {});
      throw error;
    } finally {
      swarm.send({ kind: "send", rate: 0 });
    }
  };
  const busy = async (page, among, act) => {
    const { rate, processor, clock, tasks } = await watch(page, among, act);
    const longest = `the longest of ${tasks} tasks took ${processor} ms of the processor, ${clock} ms by the clock`;
    const words = `${longest}, at ${rate} messages a second`;
    if (rate < RATE * 0.9) throw new Error(`too few messages: ${words}`);
    if (processor > LONGEST) throw new Error(words);
    return words;
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
  }, 20_000);
}
