// Pages of the console in Chromium, and what must hold on all of them.
import { readFileSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { chromium } from "playwright-core";
import { ADMIN_TOKEN } from "./programs.mjs";

export const WIDE = { width: 1320, height: 860 };
export const NARROW = { width: 390, height: 800 };
/** The name under which the page keeps the token. */
const TOKEN_KEY = "ocpp-gateway-token";
/** Milliseconds for whatever a check waits for. */
const WAIT = 10_000;
/** Places of a fault of accessibility that are named. */
const MAX_PLACES = 3;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export async function launch(program) {
  // Root has no sandbox; /dev/shm of a container is too small.
  const parameters = ["--disable-dev-shm-usage", ...(process.getuid() === 0 ? ["--no-sandbox"] : [])];
  return chromium.launch({ executablePath: program, args: parameters });
}

/** Runs before the scripts of each page: notes what the policy has blocked. */
function observe() {
  window.blocked = [];
  addEventListener("securitypolicyviolation", (event) => window.blocked.push(`${event.effectiveDirective} ${event.blockedURI}`));
}

/** The pages that one check opens. */
export class Tabs {
  #browser;
  #origin;
  #pages = [];

  constructor(browser, origin) {
    this.#browser = browser;
    this.#origin = origin;
  }

  get pages() {
    return this.#pages.map(({ page }) => page);
  }

  /**
   * Opens a view, such as `charge-points`, with an empty cache and an empty store. `token` null: without one. `allow`: what the browser may
   * report, since the check provokes it. `go` false: the page is still empty.
   */
  async open(view = "", { token = ADMIN_TOKEN, size = WIDE, allow, go = true } = {}) {
    const place = { locale: "en-GB", timezoneId: "Europe/Berlin" };
    const context = await this.#browser.newContext({ viewport: size, colorScheme: "light", reducedMotion: "reduce", ...place });
    context.setDefaultTimeout(WAIT);
    await context.addInitScript(observe);
    if (token) await context.addInitScript(([key, value]) => sessionStorage.setItem(key, value), [TOKEN_KEY, token]);
    const page = await context.newPage();
    const faults = [];
    this.#pages.push({ page, faults, context });
    const note = (text) => allow?.test(text) || faults.push(text);
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) note(`${message.type()}: ${message.text()} ${message.location().url}`);
    });
    page.on("pageerror", (error) => note(`exception: ${error.stack}`));
    page.on("request", (request) => {
      const { origin, protocol } = new URL(request.url());
      if (origin !== this.#origin && !["data:", "blob:"].includes(protocol)) faults.push(`request elsewhere: ${request.url()}`);
    });
    page.address = (route) => `${this.#origin}/#/${route}`;
    if (go) await page.goto(page.address(view));
    return page;
  }

  /** What pages have done that none may do: errors, what the policy blocks, requests elsewhere. */
  async faults() {
    const all = [];
    for (const { page, faults } of this.#pages) {
      const blocked = await page.evaluate(() => window.blocked ?? []).catch(() => []);
      all.push(...faults, ...blocked.map((text) => `blocked by the policy: ${text}`));
    }
    return all;
  }

  /** Pictures of all pages as they are, for the failure of a check. */
  async keep(folder, name) {
    mkdirSync(folder, { recursive: true });
    for (const [index, { page }] of this.#pages.entries()) {
      const file = path.join(folder, `${name.replaceAll(/\W+/g, "-")}-${index}.png`);
      await page.screenshot({ path: file, timeout: 3000 }).catch(() => {});
    }
  }

  async close() {
    await Promise.all(this.#pages.map(({ context }) => context.close()));
  }
}

/** Serious and critical faults that axe-core finds, as text. */
export async function accessibilityFaults(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"], preload: false }));
  return violations
    .filter(({ impact }) => ["serious", "critical"].includes(impact))
    .map(({ id, nodes }) => `${id}: ${nodes.slice(0, MAX_PLACES).map(({ target }) => target.join(" ")).join(", ")}`);
}

/**
 * Follows the tasks of a page's main thread from now on. The function that it resolves to ends that, and tells of the task that used most
 * processor time: `{processor, clock}`, its milliseconds on the processor, and by the clock. The second also has what the task waited for a
 * processor, on a machine that does other things.
 */
export async function watchTasks(page) {
  const browser = page.context().browser();
  await browser.startTracing(page, { categories: ["toplevel"] });
  return async () => {
    const { traceEvents } = JSON.parse(await browser.stopTracing());
    const named = traceEvents.filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain");
    const main = new Set(named.map(({ pid, tid }) => `${pid} ${tid}`));
    const tasks = traceEvents.filter(({ name, pid, tid }) => name.endsWith("RunTask") && main.has(`${pid} ${tid}`));
    const millis = (microseconds = 0) => Math.round(microseconds / 1000);
    if (!tasks.length) throw new Error("Chromium tells of no tasks");
    const longest = tasks.reduce((most, task) => ((task.tdur ?? 0) > (most.tdur ?? 0) ? task : most));
    return { processor: millis(longest.tdur), clock: millis(longest.dur), tasks: tasks.length };
  };
}
