// Waiting for what has to become true.

/** Milliseconds between two looks. */
const LOOK_EVERY = 50;

/** The first true value of `condition`, within so many milliseconds. What it throws ends the wait. */
export async function until(what, condition, within = 10_000) {
  for (const end = Date.now() + within; Date.now() < end; ) {
    const value = await condition();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY));
  }
  throw new Error(`not within ${within / 1000} s: ${what}`);
}
