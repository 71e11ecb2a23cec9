// The messages of a charge point, live, and what became of each.
import { readFileSync } from "node:fs";
import { chargePoint } from "../charge_points.mjs";
import { equal, shows, visible } from "../expect.mjs";
import { ID } from "../identities.mjs";
import { messages } from "../names.mjs";
import { until } from "../wait.mjs";

export default async function live({ check, programs }) {
  let talker = null;
  const open = async (tabs) => {
    talker ??= await chargePoint(programs.charge_points, ID.talker);
    const page = await tabs.open(`charge-points/${ID.talker}`);
    await visible(messages(page).pause, "the messages");
    return page;
  };
  /** Sends a CALL until the page shows one with its answer: it may begin to listen between the two of the first that it shows. */
  const shown = async (page, action, payload = {}) => {
    await until(`a row of ${action}`, async () => {
      await talker.call(action, payload);
      return (await messages(page).whole(action).count()) > 0;
    });
    return messages(page).whole(action).first();
  };

  await check("a CALL and its answer are one row, live, with the time between them", async (tabs) => {
    const page = await open(tabs);
    await shows(await shown(page, "Heartbeat"), /currentTime[\s\S]*\d\s?(ms|µs|s)\b/, "the answer and the time until it");
    await talker.call("Authorize", { idTag: "TAG-1" });
    await shows(messages(page).of("Authorize"), /TAG-1[\s\S]*Accepted[\s\S]*\d\s?(ms|µs|s)\b/, "CALL and answer");
    equal(await messages(page).of("Authorize").count(), 1, "rows for a CALL and its answer");
  });

  await check("a click on a message shows its trace: frame, topic and what each transform changed", async (tabs) => {
    const page = await open(tabs);
    const line = await shown(page, "BootNotification", { chargePointVendor: "Vendor", chargePointModel: "Traced" });
    await line.click();
    await shows(messages(page).trace, /quirk/, "the transform in the trace");
    await shows(messages(page).trace, /firmwareVersion/, "what the transform changed");
    await shows(messages(page).trace, new RegExp(`ocpp/cp/${ID.talker}`), "the topic");
  });

  await check("messages are filtered by action, and the filter is in the address", async (tabs) => {
    const page = await open(tabs);
    await shown(page, "Heartbeat");
    await shown(page, "Authorize", { idTag: "TAG-1" });
    await messages(page).action.selectOption("Authorize");
    await until("only rows of the action", async () => (await messages(page).of("Heartbeat").count()) === 0);
    await visible(messages(page).of("Authorize"), "rows of the action");
    await until("the filter in the address", () => page.url().includes("Authorize"));
  });

  await check("a pause keeps the messages as they are, and its end shows what came in between", async (tabs) => {
    const page = await open(tabs);
    await shown(page, "Heartbeat");
    await messages(page).pause.click();
    await talker.call("Authorize", { idTag: "TAG-1" });
    await visible(page.getByText(/lines? waits?/), "that lines wait");
    equal(await messages(page).of("Authorize").count(), 0, "rows during the pause");
    await messages(page).goOn.click();
    await visible(messages(page).of("Authorize"), "the row after the pause");
  });

  await check("messages are exported as a recording", async (tabs) => {
    const page = await open(tabs);
    await shown(page, "Heartbeat");
    const [file] = await Promise.all([page.waitForEvent("download"), messages(page).recording.click()]);
    const lines = readFileSync(await file.path(), "utf8").trim().split("\n").map((line) => JSON.parse(line));
    const recorded = lines.filter(({ action, charge_point: id }) => action === "Heartbeat" && id === ID.talker);
    equal(recorded.length > 0, true, "the recording has the CALL");
  });
}
