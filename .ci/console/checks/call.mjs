// Sending CALLs.
import { shows, visible } from "../expect.mjs";
import { ID } from "../identities.mjs";
import { call } from "../names.mjs";

export default async function calls({ check }) {
  await check("a CALL is sent with the form of its action, and its result is shown", async (tabs) => {
    const page = await tabs.open("call");
    await call(page).chargePoints.fill(ID.steady);
    await choose(call(page).action, "Reset");
    await choose(page.getByLabel(/^type/i).first(), "Soft");
    await call(page).send.click();
    await shows(call(page).result(ID.steady), /Accepted/, "the result");
  });

  await check("a CALL is sent as JSON to several charge points, and each has its result", async (tabs) => {
    const page = await tabs.open("call");
    await call(page).chargePoints.fill(`${ID.steady} ${ID.modern} CP-AWAY`);
    await choose(call(page).action, "DataTransfer");
    await call(page).raw.click();
    await call(page).payload.fill('{"vendorId":"test"}');
    await call(page).send.click();
    await shows(call(page).result(ID.steady), /Accepted/, "the result of one");
    await shows(call(page).result(ID.modern), /Accepted/, "the result of the other");
    await shows(call(page).result("CP-AWAY"), /not connected/i, "why there is no result");
  });

  await check("a CALL that was sent is offered again", async (tabs) => {
    const page = await tabs.open("call");
    await call(page).chargePoints.fill(ID.steady);
    await choose(call(page).action, "ClearCache");
    await call(page).send.click();
    await shows(call(page).result(ID.steady), /Accepted/, "the result");
    await visible(page.getByRole("button", { name: /ClearCache|again/i }), "the CALL among the recent ones");
  });
}

/** A list, or a field with suggestions. */
async function choose(field, value) {
  await visible(field, `the field for ${value}`);
  const list = await field.evaluate((element) => element.tagName === "SELECT");
  if (list) await field.selectOption(value);
  else await field.fill(value);
}
