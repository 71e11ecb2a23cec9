// What comes from a charge point is text, wherever it is shown.
import { chargePoint, refused, status } from "../charge_points.mjs";
import { equal, shows, visible } from "../expect.mjs";
import { ID } from "../identities.mjs";
import { messages, row } from "../names.mjs";
import { until } from "../wait.mjs";

const HOSTILE = '</script><script>window.markupRan=1</script><img src=x onerror="window.markupRan=1"><svg onload=window.markupRan=1>';

export default async function markup({ check, programs }) {
  for (const identity of [ID.image, ID.script]) {
    await check(`a charge point named ${identity}, whose messages are markup, is shown as text`, async (tabs) => {
      const client = await chargePoint(programs.charge_points, identity, { vendor: HOSTILE.slice(0, 60), model: "<b>bold</b>" });
      const page = await tabs.open("charge-points");
      await visible(row(page, identity), "the charge point in the list");
      await nothingRan(page);
      await page.goto(page.address(`charge-points/${encodeURIComponent(identity)}`));
      await visible(messages(page).pause, "its messages");
      await until("its message", async () => {
        await client.call("DataTransfer", { vendorId: HOSTILE, data: HOSTILE });
        return (await messages(page).of("DataTransfer").count()) > 0;
      });
      await messages(page).of("DataTransfer").first().click();
      await shows(messages(page).trace, /<img src=x onerror=/, "the payload as text");
      await nothingRan(page);
      await status(client, 1, "Faulted", "OtherError");
      for (const view of ["", "events", "call", "playground", "transforms"]) {
        await page.goto(page.address(view));
        await visible(page.locator("#view h1"), "the view");
        await nothingRan(page);
      }
      await client.close();
    });
  }

  await check("a refused charge point whose name is markup is shown as text", async (tabs) => {
    const identity = `${ID.image}?`;
    equal(await refused(programs.charge_points, identity), 404, "status of the refusal");
    const page = await tabs.open("charge-points?state=refused");
    await visible(row(page, identity), "the charge point in the list");
    await nothingRan(page);
    await page.goto(page.address("events"));
    await visible(page.getByText(identity).first(), "the charge point among the events");
    await nothingRan(page);
  });

  await check("an address that is markup is shown as text", async (tabs) => {
    const page = await tabs.open(`charge-points/${encodeURIComponent(ID.image)}?search=${encodeURIComponent(HOSTILE)}`);
    await visible(page.locator("#view h1"), "the view");
    await nothingRan(page);
  });
}

/**
 * No script of the markup has run, and none of its elements is in the page. That the policy has had nothing to block is found at the end of
 * each check.
 */
async function nothingRan(page) {
  equal(await page.evaluate(() => window.markupRan ?? null), null, "markup has run");
  const elements = await page.evaluate(() => document.querySelectorAll('[onerror], [onload], img[src="x"], #app script, #app b').length);
  equal(elements, 0, "elements that came from a charge point");
}
