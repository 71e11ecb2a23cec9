// The chain of transforms, and its versions.
import { equal, shows, visible } from "../expect.mjs";
import { QUIRK } from "../programs.mjs";
import { confirm, transform } from "../names.mjs";
import { until } from "../wait.mjs";

const CHANGED = QUIRK.replace("firmwareVersion", "chargePointSerialNumber");

export default async function transforms({ check, programs }) {
  const details = async () => (await programs.api("/api/v1/transforms/quirk")).json();

  await check("the chain is shown in its order", async (tabs) => {
    const page = await tabs.open("transforms");
    await shows(page.locator("#view"), /quirk[\s\S]*standard/, "the transforms, from the charge point on");
  });

  await check("a jq program is uploaded, is in the history, and is rolled back", async (tabs) => {
    const before = await details();
    const page = await tabs.open("transforms/quirk");
    await transform(page).file.setInputFiles({ name: "quirk.jq", mimeType: "text/plain", buffer: Buffer.from(CHANGED) });
    await transform(page).upload.last().click();
    if (await confirm(page).isVisible()) await confirm(page).click();
    const after = await until("the gateway runs the program", async () => {
      const now = await details();
      return now.sha256 !== before.sha256 && now;
    });
    await shows(page.locator("#view"), new RegExp(after.sha256.slice(0, 8)), "the version that runs");
    await shows(page.locator("#view"), new RegExp(before.sha256.slice(0, 8)), "the version that ran before, in the history");
    await transform(page).rollBack.first().click();
    await confirm(page).click();
    await until("the gateway runs the version from before", async () => (await details()).sha256 === before.sha256);
    await visible(page.getByText(/rolled back/i), "that it was rolled back");
  });

  await check("a broken program is refused with its fault, and changes nothing", async (tabs) => {
    const before = await details();
    const page = await tabs.open("transforms/quirk", { allow: /status of 422/ });
    await transform(page).file.setInputFiles({ name: "quirk.jq", mimeType: "text/plain", buffer: Buffer.from("def uplink: (") });
    await transform(page).upload.last().click();
    if (await confirm(page).isVisible()) await confirm(page).click();
    await visible(page.getByRole("alert"), "the fault");
    equal((await details()).sha256, before.sha256, "the version that runs");
  });
}
