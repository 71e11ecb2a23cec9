// What became of a CALL: answered, answered with an error, left as was to be expected, or not answered. No DOM here.
import { isRefusal, statusOf } from "../messages/status.js";

/** CALLs after which a charge point restarts or connects anew, which may be before it has answered. */
const RESTARTS = new Set(["Reset", "UpdateFirmware", "SignedUpdateFirmware", "SetNetworkProfile", "CertificateSigned"]);

/** Whether a failed CALL ended with the connection. The API tells this from other failures by its text only. */
export function isDisconnect({ status, message, body }) {
  return status === 502 && !body?.call_error && /disconnected|went away/.test(message);
}

/** Whether a charge point may disconnect because of this CALL. */
export function restarts(action) {
  return RESTARTS.has(action);
}

/** `waiting`, `sent`, `stopped`, `left`, `answered`, `error` (a CALLERROR) or `none` (no answer). */
export function outcomeOf({ state, error }) {
  if (state !== "failed") return state;
  return error.body?.call_error ? "error" : "none";
}

const OTHERS = [
  ["error", "answered with an error"], ["left", "disconnected, as expected"], ["none", "without an answer"], ["stopped", "stopped"],
];

/** The results in numbers, as texts: those that are done first. */
export function summaryOf(results, count) {
  const number = (outcome) => results.filter((result) => outcomeOf(result) === outcome).length;
  const refused = results.filter(({ state, answer }) => state === "answered" && isRefusal(statusOf(answer))).length;
  const done = results.length - number("waiting") - number("sent");
  const parts = [
    `${count(done)} of ${count(results.length)} done`,
    `${count(number("answered"))} answered${refused ? ` (${count(refused)} refused)` : ""}`,
  ];
  for (const [outcome, words] of OTHERS) if (number(outcome)) parts.push(`${count(number(outcome))} ${words}`);
  return { done, text: parts.join(" · ") };
}
