// Each view: by its address, without faults, for screen readers, light and dark, wide and narrow.
import { mkdirSync } from "node:fs";
import path from "node:path";
import { NARROW, WIDE, accessibilityFaults } from "../browser.mjs";
import { equal, visible } from "../expect.mjs";
import { ID } from "../identities.mjs";
import { VIEWS, heading } from "../names.mjs";
import { refused } from "../charge_points.mjs";

const LOOKS = [
  ["light", "wide", {}],
  ["dark", "wide", { dark: true }],
  ["light", "narrow", { size: NARROW }],
  ["dark", "narrow", { dark: true, size: NARROW }],
];

export default async function views({ check, programs, screenshots }) {
  mkdirSync(screenshots, { recursive: true });

  await check("charge points that the gateway does not know, and wrong paths, are refused", async () => {
    equal(await refused(programs.charge_points, ID.unknown), 404, "status of the refusal");
    equal(await refused(programs.charge_points.replace("/ocpp", "/wrong/path"), ID.unknown), 404, "status of the refusal");
  });

  for (const view of VIEWS) {
    await check(`${view.name} opens by its address, and has its data`, async (tabs) => {
      const page = await tabs.open(view.path);
      await visible(heading(page).filter({ hasText: view.heading }), "its heading");
      await visible(view.shown(page), "its data");
      const title = await page.title();
      equal(title.length > "OCPP gateway".length, true, "the title of the tab names the view");
    });
  }

  for (const [light, width, look] of LOOKS) {
    for (const view of VIEWS) {
      await check(`${view.name}, ${light} and ${width}: no serious fault of accessibility, nothing wider than the window`, async (tabs) => {
        const page = await tabs.open(view.path, look);
        await visible(heading(page).filter({ hasText: view.heading }), "its heading");
        // A view without its data is a fault of the check above.
        await view.shown(page).waitFor({ timeout: 3000 }).catch(() => {});
        await page.screenshot({ path: path.join(screenshots, `${view.name}-${light}-${width}.png`) });
        equal(await accessibilityFaults(page), [], "faults of accessibility");
        const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        equal(wider > 0, false, `the page scrolls sideways, by ${wider} pixels`);
      });
    }
  }

  await check("the navigation is used with the keyboard alone", async (tabs) => {
    const page = await tabs.open("", { size: WIDE });
    await visible(heading(page), "the overview");
    await page.keyboard.press("Tab");
    await visible(page.getByRole("link", { name: "Skip to the view" }), "the way past the navigation");
    const names = [];
    for (let step = 0; step < 3; step += 1) {
      await page.keyboard.press("Tab");
      names.push(await page.evaluate(() => document.activeElement.textContent.trim()));
    }
    equal(names, ["Overview", "Charge points", "Send a CALL"], "what has the focus, in its order");
    await page.keyboard.press("Enter");
    await visible(heading(page).filter({ hasText: /send a call/i }), "the view");
  });
}
