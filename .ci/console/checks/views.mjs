// Each view: by its address, without faults, for screen readers, light and dark, wide and narrow.
import { mkdirSync } from "node:fs";
import path from "node:path";
import { NARROW, WIDE, accessibilityFaults } from "../browser.mjs";
import { equal, visible } from "../expect.mjs";
import { VIEWS, heading, skip } from "../names.mjs";

const LOOKS = [["light", "wide"], ["dark", "wide"], ["dark", "narrow"], ["light", "narrow"]];
const SIZES = { wide: WIDE, narrow: NARROW };

export default async function views({ check, screenshots }) {
  mkdirSync(screenshots, { recursive: true });

  for (const view of VIEWS) {
    await check(`${view.name}: opens by its address, has its data, and no serious fault of accessibility in any look`, async (tabs) => {
      const page = await tabs.open(view.path);
      await visible(heading(page).filter({ hasText: view.heading }), "its heading");
      await visible(view.shown(page), "its data");
      equal(await page.title() === "OCPP gateway", false, "the title of the tab is without the view");
      const faults = [];
      for (const [light, width] of LOOKS) {
        await page.emulateMedia({ colorScheme: light });
        await page.setViewportSize(SIZES[width]);
        await drawn(page);
        await page.screenshot({ path: path.join(screenshots, `${view.name}-${light}-${width}.png`) });
        const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        if (wider > 0) faults.push(`${light}, ${width}: the page scrolls sideways, by ${wider} pixels`);
        faults.push(...(await accessibilityFaults(page)).map((fault) => `${light}, ${width}: ${fault}`));
      }
      equal(faults, [], "faults");
    });
  }

  await check("the navigation is used with the keyboard alone", async (tabs) => {
    const page = await tabs.open("");
    await visible(heading(page), "the overview");
    await page.keyboard.press("Tab");
    await visible(skip(page), "the way past the navigation");
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

/** Lets the page draw what a change of its size or its colours begins. */
function drawn(page) {
  return page.evaluate(async () => {
    for (let frame = 0; frame < 3; frame += 1) await new Promise(requestAnimationFrame);
  });
}
