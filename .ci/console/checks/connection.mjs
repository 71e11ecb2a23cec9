// The gateway is away, and comes back. At last: it disconnects all charge points.
import { chargePoint } from "../charge_points.mjs";
import { equal, gone, visible } from "../expect.mjs";
import { ID } from "../identities.mjs";
import { heading, list, lost } from "../names.mjs";

/** What the browser says of requests that are not answered. */
const UNANSWERED = /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_INCOMPLETE|ERR_EMPTY_RESPONSE|status of 5\d\d/;

export default async function connection({ check, programs }) {
  await check("a lost gateway is said, and the page goes on by itself when it is back", async (tabs) => {
    const page = await tabs.open("charge-points", { allow: UNANSWERED });
    await visible(heading(page), "the view");
    await page.evaluate(() => (window.sameDocument = true));
    await programs.killGateway();
    await visible(lost(page), "that the gateway does not answer");
    await programs.startGateway();
    await gone(lost(page), "that the gateway does not answer");
    const client = await chargePoint(programs.charge_points, ID.kicked);
    await visible(list(page).link(ID.kicked), "a charge point that has connected since");
    equal(await page.evaluate(() => window.sameDocument), true, "the page is the same, and was not loaded again");
    await client.close();
  });
}
