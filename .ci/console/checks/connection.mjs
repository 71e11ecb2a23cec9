// The gateway is away, and comes back. At last: it disconnects all charge points.
import { gone, visible } from "../expect.mjs";
import { heading, lost } from "../names.mjs";

export default async function connection({ check, programs }) {
  await check("a lost gateway is said, and the page goes on by itself when it is back", async (tabs) => {
    const page = await tabs.open("charge-points", { allow: /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_INCOMPLETE|ERR_EMPTY_RESPONSE|status of 5\d\d/ });
    await visible(heading(page), "the view");
    await page.evaluate(() => (window.sameDocument = true));
    await programs.killGateway();
    await visible(lost(page), "that the gateway does not answer");
    await programs.startGateway();
    await gone(lost(page), "that the gateway does not answer");
    await visible(heading(page), "the view");
    if (!(await page.evaluate(() => window.sameDocument))) throw new Error("the page was loaded again");
  });
}
