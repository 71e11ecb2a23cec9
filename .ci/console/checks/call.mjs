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

  await check("a charge point that leaves because of a Reset is no failure, and is followed until it is back", async (tabs) => {
    let client = null;
    const handlers = { Reset: () => (client.close({ force: true }), new Promise(() => {})) };
    client = await chargePoint(programs.charge_points, ID.kicked, { handlers });
    const page = await tabs.open(`call?to=${ID.kicked}&action=Reset`, { allow: /status of 502/ });
    await choose(call(page).field("type"), "Hard");
    await call(page).send.click();
    await shows(call(page).result, /disconnected, as expected[\s\S]*expected of Reset/, "that this was to be expected");
    client = await chargePoint(programs.charge_points, ID.kicked);
    await shows(call(page).result, /back since \d\d:\d\d:\d\d/, "that it is back");
    await client.close();
  });

  await check("results tell answers, refusals and errors apart", async (tabs) => {
    const refuse = () => ({ status: "UnknownVendorId" });
    const fail = () => {
      throw new Error("no");
    };
    const clients = [
      await chargePoint(programs.charge_points, ID.kicked, { handlers: { DataTransfer: refuse } }),
      await chargePoint(programs.charge_points, ID.talker, { handlers: { DataTransfer: fail } }),
    ];
    const page = await tabs.open(`call?to=${ID.steady},${ID.kicked},${ID.talker}&action=DataTransfer`, { allow: /status of 502/ });
    await call(page).raw.click();
    await call(page).payload.fill('{"vendorId":"test"}');
    await call(page).send.click();
    await confirm(page).click();
    await shows(call(page).result, /3 of 3 done · 2 answered \(1 refused\) · 1 answered with an error/, "the numbers");
    await shows(call(page).resultOf(ID.kicked), /UnknownVendorId/, "the status of the refusal");
    for (const client of clients) await client.close();
  });

  await check("a status within a list of results is shown", async (tabs) => {
    const about = { component: { name: "C" }, variable: { name: "V" } };
    const results = [{ attributeStatus: "Accepted", ...about }, { attributeStatus: "Rejected", ...about }];
    const options = { protocol: "ocpp2.0.1", handlers: { SetVariables: () => ({ setVariableResult: results }) } };
    const client = await chargePoint(programs.charge_points, ID.kicked, options);
    const page = await tabs.open(`call?to=${ID.kicked}&action=SetVariables&version=ocpp2.0.1`);
    await call(page).raw.click();
    await call(page).payload.fill(JSON.stringify({ setVariableData: [{ attributeValue: "1", ...about }] }));
    await call(page).send.click();
    await shows(call(page).result, /1 of 2 Rejected/, "the refused one");
    await client.close();
  });

  await check("a CALL goes only to charge points whose version knows it", async (tabs) => {
    const page = await tabs.open(`call?to=${ID.steady},${ID.modern}&action=ChangeConfiguration&version=ocpp1.6`);
    const who = new RegExp(`${ID.steady} – gets it[\\s\\S]*${ID.modern} – left out.*no ChangeConfiguration`);
    await shows(call(page).groups, who, "who gets it");
    await call(page).raw.click();
    await call(page).payload.fill('{"key":"HeartbeatInterval","value":"60"}');
    await call(page).send.click();
    await shows(call(page).result, new RegExp(`${ID.steady}[\\s\\S]*Accepted`), "the result of the one that gets it");
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
