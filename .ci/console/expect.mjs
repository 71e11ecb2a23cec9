// What a check expects. Each waits for it, and says what was missing.
import { until } from "./wait.mjs";

export const visible = (locator, what) => state(locator, "visible", what);
export const gone = (locator, what) => state(locator, "hidden", what);

async function state(locator, wanted, what) {
  await locator.first().waitFor({ state: wanted }).catch((error) => {
    throw new Error(`${what}: not ${wanted}: ${String(error.message).split("\n")[0]}`);
  });
}

export function equal(seen, wanted, what) {
  const [is, should] = [JSON.stringify(seen), JSON.stringify(wanted)];
  if (is !== should) throw new Error(`${what}: ${is} where ${should} was wanted`);
}

export function below(seen, limit, what) {
  if (!(seen <= limit)) throw new Error(`${what}: ${seen}, and at most ${limit} is allowed`);
}

/** Waits until the text of the locator's first element matches. */
export async function shows(locator, pattern, what, within) {
  let text = "";
  await until(what, async () => {
    text = await locator.first().innerText({ timeout: 1000 }).catch(() => "");
    return pattern.test(text);
  }, within).catch(() => {
    throw new Error(`${what}: ${JSON.stringify(text.slice(0, 300))} does not match ${pattern}`);
  });
}
