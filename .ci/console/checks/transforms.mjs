// The chain of transforms, its versions, and trials.
import { chargePoint } from "../charge_points.mjs";
import { equal, shows, visible } from "../expect.mjs";
import { ID } from "../identities.mjs";
import { confirm, content, playground, transform } from "../names.mjs";
import { QUIRK } from "../programs.mjs";
import { until } from "../wait.mjs";

/** Another version of `quirk`, which does the same to other messages. */
const CHANGED = QUIRK.replace("firmwareVersion", "chargePointSerialNumber");
const BROKEN = "def uplink:\n    if true then nosuch end;\n";

export default async function transforms({ check, programs }) {
  const running = async () => (await (await programs.api("/api/v1/transforms/quirk")).json()).program_sha256;
  const short = (hash) => new RegExp(hash.slice(0, 8));

  await check("the chain is shown in the order in which a message passes it", async (tabs) => {
    const page = await tabs.open("transforms");
    await shows(transform(page).lane, /uplink[\s\S]*quirk[\s\S]*standard/, "the transforms, from the charge point to the broker");
  });

  await check("a jq program is uploaded after a question, is in the history, and is rolled back", async (tabs) => {
    const before = await running();
    const page = await tabs.open("transforms/quirk?tab=change");
    await transform(page).component.selectOption("file");
    await transform(page).file.setInputFiles({ name: "quirk.jq", mimeType: "text/plain", buffer: Buffer.from(CHANGED) });
    await until("the program in the editor", async () => (await playground(page).program.inputValue()) === CHANGED);
    await transform(page).putLive.click();
    await shows(page.getByRole("dialog"), /quirk/, "the question");
    equal(await running(), before, "the version that runs before the answer");
    await confirm(page).click();
    const after = await until("the gateway runs the program", async () => (await running()) !== before && running());
    await transform(page).history.click();
    await shows(transform(page).version(1), short(after), "the version in the history");
    await transform(page).rollBack.first().click();
    await confirm(page).click();
    await until("the gateway runs the version from before", async () => (await running()) === before);
  });

  await check("a broken program is marked at its line, and changes nothing", async (tabs) => {
    const before = await running();
    const page = await tabs.open("transforms/quirk?tab=change", { allow: /status of 422/ });
    await playground(page).program.fill(BROKEN);
    await transform(page).putLive.click();
    await shows(playground(page).fault, /line 2[\s\S]*nosuch/, "the fault in words");
    equal(await running(), before, "the version that runs");
  });

  await check("a form that was opened before another version was put live asks with both versions", async (tabs) => {
    const forms = [await tabs.open("transforms/quirk?tab=change"), await tabs.open("transforms/quirk?tab=change")];
    const edit = async (page, text) => playground(page).program.fill(QUIRK.replace("unknown", text));
    for (const [index, page] of forms.entries()) {
      await visible(playground(page).program, "the program");
      await edit(page, `form-${index}`);
    }
    const before = await running();
    await transform(forms[0]).putLive.click();
    await confirm(forms[0]).click();
    const first = await until("the gateway runs the first", async () => (await running()) !== before && running());
    await visible(transform(forms[1]).outdated, "that it was changed, in the other form");
    await transform(forms[1]).putLive.click();
    await shows(forms[1].getByRole("dialog"), /changed since you began/, "the question");
    const both = new RegExp(`began with [\\s\\S]*Now [\\s\\S]*${first.slice(0, 8)}`);
    await shows(forms[1].getByRole("dialog"), both, "both versions in the question");
    equal(await running(), first, "the version that runs before the answer");
    await confirm(forms[1]).click();
    await shows(forms[1].getByRole("dialog"), /is replaced/, "what would change");
    await confirm(forms[1]).click();
    await until("the gateway runs the second", async () => (await running()) !== first);
    await programs.api("/api/v1/transforms/quirk/upload", { method: "DELETE" });
    await until("the gateway runs the version of the configuration", async () => (await running()) === before);
  });

  await check("a program in the settings beside the field for it is marked, and not sent", async (tabs) => {
    const page = await tabs.open("transforms/quirk?tab=change");
    const before = await running();
    await transform(page).settings.fill('{\n  "config": {\n    "program": "."\n  }\n}');
    await shows(playground(page).fault, /config.program would lose against the field Program/, "what is wrong, at the field");
    await transform(page).putLive.click();
    await shows(playground(page).fault, /config.program/, "the same after an attempt");
    equal(await running(), before, "the version that runs");
  });

  await check("a version is tried as a shadow: its differences are shown, and the trial is ended", async (tabs) => {
    const client = await chargePoint(programs.charge_points, ID.kicked);
    const page = await tabs.open("transforms/quirk?tab=trial", { allow: /status of 404/ });
    await playground(page).program.fill(CHANGED);
    await transform(page).startTrial.click();
    await confirm(page).click();
    await visible(transform(page).endTrial, "the trial");
    await client.call("BootNotification", { chargePointVendor: "Vendor", chargePointModel: "Model" });
    await shows(content(page), /chargePointSerialNumber[\s\S]*Differences: 1[\s\S]*chargePointSerialNumber/, "what differs");
    await transform(page).endTrial.click();
    await confirm(page).click();
    await visible(transform(page).forgetTrial.or(transform(page).startTrial).first(), "that the trial has ended");
    const { status } = await programs.api("/api/v1/transforms/quirk/trial", { method: "DELETE" });
    equal([204, 200, 404].includes(status), true, "the trial is forgotten");
    await client.close();
  });
}
