// What an operator sees first.
import { equal, shows, visible } from "../expect.mjs";
import { ID } from "../identities.mjs";
import { heading, overview, row } from "../names.mjs";

export default async function overviews({ check }) {
  await check("the overview has the number of charge points on line", async (tabs) => {
    const page = await tabs.open("");
    // The gateway takes its figures every ten seconds.
    await shows(overview(page).numbers, /on line\s+[1-9]/i, "the number of charge points", 20_000);
  });

  await check("what is wrong stands first, with the way to it", async (tabs) => {
    const page = await tabs.open("");
    await shows(overview(page).problems, /refused/i, "that connections were refused");
    const tops = await Promise.all([overview(page).problems, overview(page).numbers].map(async (part) => (await part.boundingBox()).y));
    equal(tops[0] < tops[1], true, "what is wrong is above the numbers");
    await overview(page).refused.click();
    await visible(row(page, ID.unknown), "the charge point that was refused");
  });

  await check("a charge point is found from the overview by a part of its identity", async (tabs) => {
    const page = await tabs.open("");
    await overview(page).find.fill("stead");
    await visible(overview(page).found.filter({ hasText: ID.steady }), "the charge point");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await visible(heading(page).filter({ hasText: ID.steady }), "the page of the charge point");
  });
}
