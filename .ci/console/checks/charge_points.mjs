// The list of charge points, those that were refused, and the page of one.
import { chargePoint } from "../charge_points.mjs";
import { equal, gone, shows, visible } from "../expect.mjs";
import { BLOCKED_TOKEN, ID, REFUSED_MODEL } from "../identities.mjs";
import { chargePoint as one, confirm, content, heading, list, row } from "../names.mjs";
import { until } from "../wait.mjs";

export default async function chargePoints({ check, programs }) {
  await check("the list shows vendor, model, version and the status of each connector", async (tabs) => {
    const page = await tabs.open("charge-points");
    await shows(row(page, ID.steady), /1\.6[\s\S]*Steady[\s\S]*S-1/, "version, vendor and model");
    await shows(row(page, ID.steady), /Available[\s\S]*Faulted/, "status of its connectors");
    await shows(row(page, ID.modern), /2\.0\.1[\s\S]*Modern[\s\S]*M-2/, "a charge point of OCPP 2.0.1");
  });

  await check("the list is searched, and a charge point opened, with the keyboard alone", async (tabs) => {
    const page = await tabs.open("charge-points");
    await visible(list(page).link(ID.modern), "the other charge point");
    await list(page).search.focus();
    await page.keyboard.type("steady");
    await gone(list(page).link(ID.modern), "the other charge point");
    equal(page.url().includes("steady"), true, "the search is in the address");
    await tabTo(page, list(page).table);
    await page.keyboard.press("Enter");
    await visible(heading(page).filter({ hasText: ID.steady }), "the page of the charge point");
    await page.goBack();
    await visible(list(page).link(ID.steady), "the list, as it was");
    equal(await list(page).search.inputValue(), "steady", "what was searched for");
  });

  await check("a search finds charge points by their vendor, and one without a match says so", async (tabs) => {
    const page = await tabs.open("charge-points");
    await list(page).search.fill("modern");
    await gone(list(page).link(ID.steady), "the charge point of another vendor");
    await visible(list(page).link(ID.modern), "the charge point of the vendor");
    await list(page).search.fill("no such vendor");
    await gone(list(page).link(ID.modern), "charge points");
    await shows(content(page), /no charge point/i, "that there is no such charge point");
  });

  await check("the list is filtered by listener, and the page of a charge point names its own", async (tabs) => {
    const page = await tabs.open("charge-points");
    await visible(list(page).link(ID.steady), "a charge point of the default listener");
    await list(page).listener.selectOption("modern");
    await gone(list(page).link(ID.steady), "charge points of the other listener");
    await list(page).link(ID.modern).click();
    await shows(content(page), /Listener\s*modern/, "the listener");
    await page.goto(page.address("settings"));
    await shows(content(page), /modern[\s\S]*2\.0\.1/, "the listener among the settings");
  });

  await check("a refused charge point is shown with the reason, in the list and on its page", async (tabs) => {
    const page = await tabs.open("charge-points");
    await list(page).refused.click();
    await shows(row(page, ID.unknown), /not_found|identit/i, "the reason");
    await page.goto(page.address(`charge-points/${ID.unknown}`));
    await shows(content(page), /refused/i, "that it was refused");
  });

  await check("the page says what the back end refuses, until it accepts it, and since when it has seen that", async (tabs) => {
    const client = await chargePoint(programs.charge_points, ID.kicked);
    const page = await tabs.open(`charge-points/${ID.kicked}`);
    await shows(one(page).verdict, /not known here/, "that it has seen no answer yet");
    const boot = (model) => client.call("BootNotification", { chargePointVendor: "Vendor", chargePointModel: model });
    // At first the page may not be listening yet.
    await until("the refusal in words", async () => {
      await boot(REFUSED_MODEL);
      return /BootNotification with Rejected.*register it there/s.test(await one(page).verdict.innerText());
    });
    await client.call("Authorize", { idTag: BLOCKED_TOKEN });
    await shows(one(page).verdict, new RegExp(`Authorize of the token ${BLOCKED_TOKEN} with Blocked`), "the refused token");
    await boot("Model");
    await shows(one(page).verdict, /BootNotification was accepted at/, "that it is accepted now");
    equal(/with Rejected/.test(await one(page).verdict.innerText()), false, "the refusal is gone");
    await shows(one(page).verdict, /seen since \d\d:\d\d:\d\d/, "since when it has seen that");
    await client.close();
  });

  await check("a charge point is disconnected after a question", async (tabs) => {
    const client = await chargePoint(programs.charge_points, ID.kicked);
    let closed = false;
    client.once("close", () => (closed = true));
    const page = await tabs.open(`charge-points/${ID.kicked}`);
    await list(page).disconnect.click();
    await visible(confirm(page), "the question");
    equal(closed, false, "it is disconnected before the answer");
    await confirm(page).click();
    await until("it is disconnected", () => closed);
    await shows(content(page), /not connected/i, "that it is away");
  });
}

/** Presses Tab until the element has the focus. */
async function tabTo(page, locator) {
  for (let step = 0; step < 40; step += 1) {
    await page.keyboard.press("Tab");
    if (await locator.evaluate((element) => element === document.activeElement)) return;
  }
  throw new Error("Tab does not lead to the table");
}
