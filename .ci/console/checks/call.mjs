// Sending CALLs.
import { chargePoint } from "../charge_points.mjs";
import { equal, shows, visible } from "../expect.mjs";
import { ID } from "../identities.mjs";
import { call, confirm } from "../names.mjs";

export default async function calls({ check, programs }) {
  await check("a CALL is sent with the form of its action, and its result is shown", async (tabs) => {
    const received = [];
    const handlers = { Reset: (payload) => received.push(payload) && { status: "Accepted" } };
    const client = await chargePoint(programs.charge_points, ID.kicked, { handlers });
    const page = await tabs.open("call");
    await add(page, ID.kicked);
    await call(page).action.selectOption("Reset");
    await choose(call(page).field("type"), "Soft");
    await call(page).send.click();
    await shows(call(page).result, /Accepted/, "the result");
    equal(received, [{ type: "Soft" }], "what the charge point has received");
    await client.close();
  });

  await check("a form without a required field is not sent, and says which field", async (tabs) => {
    const page = await tabs.open(`call?to=${ID.steady}&action=Reset`);
    await call(page).send.click();
    await visible(page.getByRole("alert"), "the fault");
    equal(await call(page).field("type").getAttribute("aria-invalid"), "true", "the field is marked");
  });

  await check("a CALL is sent as JSON to several charge points, and each has its result", async (tabs) => {
    const page = await tabs.open("call", { allow: /status of 404/ });
    await add(page, ID.steady);
    await add(page, ID.modern);
    await add(page, ID.away);
    await call(page).action.selectOption("DataTransfer");
    await call(page).raw.click();
    await call(page).payload.fill('{"vendorId":"test"}');
    await call(page).send.click();
    await confirm(page).click();
    await shows(call(page).resultOf(ID.steady), /Accepted/, "the result of one");
    await shows(call(page).resultOf(ID.modern), /Accepted/, "the result of the other");
    await shows(call(page).resultOf(ID.away), /not connected/i, "why there is no result");
  });

  await check("a CALL that was sent is offered again, with its payload", async (tabs) => {
    const page = await tabs.open(`call?to=${ID.steady}&action=Reset`);
    await choose(call(page).field("type"), "Hard");
    await call(page).send.click();
    await shows(call(page).result, /Accepted/, "the result");
    await page.goto(page.address("call"));
    await call(page).recent("Reset").first().click();
    await visible(call(page).added(ID.steady), "the charge point");
    await shows(call(page).field("type").locator("option:checked"), /Hard/, "the payload");
  });
}

async function add(page, identity) {
  await call(page).add.fill(identity);
  await call(page).add.press("Enter");
  await visible(call(page).added(identity), `${identity} among those that get the CALL`);
}

/** Selects an option by its text, once it is there. */
async function choose(list, text) {
  await visible(list, `the field with ${text}`);
  await list.selectOption({ label: text });
}
