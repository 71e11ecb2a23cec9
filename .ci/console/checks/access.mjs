// The token, and what each token may do.
import { equal, visible } from "../expect.mjs";
import { ID } from "../identities.mjs";
import { call, heading, list, login, playground } from "../names.mjs";
import { ADMIN_TOKEN, VIEWER_TOKEN } from "../programs.mjs";

const UNAUTHORIZED = /status of 401/;

export default async function access({ check, programs }) {
  await check("the files of the page need no token, and let no script or frame from elsewhere in", async () => {
    for (const file of ["/", "/console/app.js"]) {
      const { status, headers } = await fetch(`${programs.page}${file}`);
      equal(status, 200, `status of ${file}`);
      const policy = (headers.get("content-security-policy") ?? "").split(/;\s*/);
      const wanted = ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"];
      equal(wanted.filter((rule) => !policy.includes(rule)), [], `rules that the policy of ${file} lacks`);
      equal([headers.get("x-content-type-options"), headers.get("referrer-policy")], ["nosniff", "no-referrer"], `headers of ${file}`);
    }
  });

  await check("a wrong token is refused in words", async (tabs) => {
    const page = await tabs.open("", { token: null, allow: UNAUTHORIZED });
    await login(page).token.fill("wrong-token-0123456789");
    await login(page).enter.click();
    await visible(login(page).fault.filter({ hasText: /wrong/ }), "that the token is wrong");
  });

  await check("the right token opens the view of the address, and is in no URL and nothing that outlasts the tab", async (tabs) => {
    const page = await tabs.open("", { token: null, allow: UNAUTHORIZED, go: false });
    const addresses = [];
    page.on("request", (request) => addresses.push(request.url()));
    await page.goto(page.address("events"));
    await login(page).token.fill(ADMIN_TOKEN);
    await login(page).token.press("Enter");
    await visible(heading(page).filter({ hasText: /events/i }), "the view");
    const kept = await page.evaluate(() => JSON.stringify([location.href, { ...localStorage }, document.cookie, history.state]));
    equal(kept.includes(ADMIN_TOKEN), false, "the token is in the address, localStorage, a cookie or the history");
    equal(addresses.filter((address) => address.includes(ADMIN_TOKEN)), [], "requests with the token in their URL");
  });

  await check("the token is forgotten on request", async (tabs) => {
    const page = await tabs.open("", { token: null, allow: UNAUTHORIZED });
    await login(page).token.fill(ADMIN_TOKEN);
    await login(page).enter.click();
    await login(page).forget.click();
    await visible(login(page).token, "the question for the token");
    await page.reload();
    await visible(login(page).token, "the question for the token, after a reload");
  });

  await check("the viewer token sees the charge points, and what changes something is disabled", async (tabs) => {
    const page = await tabs.open("charge-points", { token: VIEWER_TOKEN });
    await visible(list(page).link(ID.steady), "the charge point");
    await page.goto(page.address(`charge-points/${ID.steady}`));
    await disabled(list(page).disconnect, "Disconnect");
    await page.goto(page.address(`call?to=${ID.steady}&action=ClearCache`));
    await disabled(call(page).send, "Send");
    await page.goto(page.address("playground"));
    await disabled(playground(page).candidate, "the choice of a candidate");
  });

  await check("the viewer token tries a message with the transforms that run", async (tabs) => {
    const page = await tabs.open("playground", { token: VIEWER_TOKEN });
    await visible(playground(page).result.getByText("standard").first(), "the transforms in the result");
  });
}

async function disabled(control, name) {
  await visible(control, name);
  equal(await control.isDisabled(), true, `${name} is disabled`);
}
