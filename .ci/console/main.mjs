// All checks against one gateway; exits with 1 if one fails.
import path from "node:path";
import { rmSync } from "node:fs";
import { parseArgs } from "node:util";
import { Tabs, launch } from "./browser.mjs";
import { chargePoint, refused, status } from "./charge_points.mjs";
import { ID, KNOWN } from "./identities.mjs";
import { Programs } from "./programs.mjs";

/** In this order: the crowd stays connected, and the last check stops the gateway. */
const FILES = [
  "access", "views", "overview", "charge_points", "messages", "call", "transforms", "playground", "events", "markup", "speed", "crowd",
  "connection",
];
/** Milliseconds for one check. */
const CHECK_WITHIN = 40_000;
/** Characters of what has failed. */
const MAX_TEXT = 1500;

const { values: options, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: { gateway: { type: "string" }, work: { type: "string" }, chromium: { type: "string" }, "console-server": { type: "string" } },
});

const programs = new Programs({ gateway: path.resolve(options.gateway), work: options.work, consoleServer: options["console-server"] });
// However this process ends: what it has started ends with it. Chromium ends with the library that started it.
process.on("exit", () => programs.kill());
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(1));

const sum = { passed: 0, failed: 0 };

function limited(promise, within) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`takes more than ${within / 1000} s`)), within);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** What checks need. `check(name, body)`: the body gets pages of its own, and the check passes unless it throws. */
function surroundings(browser) {
  const failures = path.join(options.work, "failures");
  const check = async (name, body, { within = CHECK_WITHIN } = {}) => {
    if (wanted.length && !wanted.some((part) => name.includes(part))) return;
    const tabs = new Tabs(browser, programs.page);
    const begun = performance.now();
    const seconds = () => `(${((performance.now() - begun) / 1000).toFixed(1)} s)`;
    try {
      // A body may return what it has measured.
      const measured = await limited(body(tabs), within);
      const faults = await tabs.faults();
      if (faults.length) throw new Error(faults.slice(0, 3).join("; "));
      sum.passed += 1;
      console.log(`ok    ${name}${measured ? `: ${measured}` : ""} ${seconds()}`);
    } catch (error) {
      sum.failed += 1;
      await tabs.keep(failures, name);
      const faults = (await tabs.faults()).slice(0, 3).map((fault) => `\n        ${fault}`).join("");
      console.log(`FAIL  ${name}: ${String(error?.message ?? error).slice(0, MAX_TEXT)} ${seconds()}${faults}`);
    } finally {
      await tabs.close().catch(() => {});
    }
  };
  return { check, programs, browser, screenshots: path.join(options.work, "screenshots") };
}

async function main() {
  for (const folder of ["screenshots", "failures"]) rmSync(path.join(options.work, folder), { recursive: true, force: true });
  await programs.start(KNOWN);
  const browser = await launch(options.chromium);
  const world = surroundings(browser);
  // These are there in all checks: two that are connected, and two connections that were refused.
  const steady = await chargePoint(programs.charge_points, ID.steady, { vendor: "Steady", model: "S-1" });
  await status(steady, 1, "Available");
  await status(steady, 2, "Faulted", "GroundFailure");
  await chargePoint(programs.modern_charge_points, ID.modern, { vendor: "Modern", model: "M-2", protocol: "ocpp2.0.1" });
  await refused(programs.charge_points, ID.unknown);
  await refused(programs.charge_points.replace("/ocpp", "/wrong/path"), ID.unknown);
  for (const file of FILES) {
    const { default: checks } = await import(`./checks/${file}.mjs`);
    await checks(world);
  }
  await browser.close();
  await programs.stop();
  console.log(`      all of it took ${Math.round(performance.now() / 1000)} s`);
  console.log(`${sum.passed} passed, ${sum.failed} failed`);
}

main().then(
  () => process.exit(sum.failed ? 1 : 0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
