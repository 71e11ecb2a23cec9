// What happened, what was changed, and what is in force.
import { chargePoint } from "../charge_points.mjs";
import { equal, shows, visible } from "../expect.mjs";
import { ID } from "../identities.mjs";
import { content, events } from "../names.mjs";
import { ADMIN_TOKEN } from "../programs.mjs";
import { until } from "../wait.mjs";

export default async function happened({ check, programs }) {
  await check("events are shown as they come", async (tabs) => {
    const page = await tabs.open("events");
    const client = await chargePoint(programs.charge_points, ID.kicked);
    const of = (kind) => events(page).rows.filter({ hasText: ID.kicked }).filter({ hasText: kind });
    await visible(of(/connected/i), "that it has connected");
    await client.close();
    await visible(of(/disconnected/i), "that it has disconnected");
  });

  await check("a change is among the changes, with the token that made it, but not the token itself", async (tabs) => {
    const level = { method: "PUT", headers: { "content-type": "application/json" } };
    await programs.api("/api/v1/log-level", { ...level, body: JSON.stringify({ filter: "debug" }) });
    await programs.api("/api/v1/log-level", { ...level, body: JSON.stringify({ filter: "info" }) });
    const page = await tabs.open("events");
    await events(page).changes.click();
    await visible(events(page).rows.filter({ hasText: /log level/i }).filter({ hasText: "admin" }), "the change");
    equal((await content(page).innerText()).includes(ADMIN_TOKEN), false, "the token itself is shown");
  });

  await check("the settings in force are shown without secrets, and searched", async (tabs) => {
    const page = await tabs.open("settings");
    await shows(content(page), /call_timeout\s+"10s"/, "a key of the configuration");
    equal((await content(page).innerText()).includes(ADMIN_TOKEN), false, "the token is shown");
    await page.getByRole("searchbox").fill("call_timeout");
    await until("only keys that match", async () => !/max_connections/.test(await content(page).innerText()));
    await shows(content(page), /call_timeout/, "the key");
  });
}
