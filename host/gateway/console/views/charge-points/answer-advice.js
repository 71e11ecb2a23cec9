// What the answers that the page has seen say about why a charge point does not charge. No DOM here.
import { ago, clock, count, sentence } from "../../lib/format.js";

/** How long ago an answer still says something about now; that to a BootNotification says it until the next one. Milliseconds. */
const RECENT = 10 * 60_000;
/** Most findings of a kind; of more, the number is said. */
const MAX_SHOWN = 3;

const BOOT = {
  Rejected: {
    tone: "bad",
    text: "It does not know this charge point, or does not want it: register it there. Until then the charge point may send nothing else.",
  },
  Pending: {
    tone: "warn",
    text: "It has not accepted the charge point yet: see there what it waits for. Until then the charge point starts no transaction.",
  },
};

const ADD_TOKEN =
  "It does not know this token: add it there, or check how the charge point reads it (upper and lower case, order of bytes).";
const TOKENS = {
  Invalid: ADD_TOKEN,
  Unknown: ADD_TOKEN,
  Blocked: "The token is blocked there: unblock it, or try another one.",
  Expired: "The token has expired there: renew it, or try another one.",
  ConcurrentTx: "The token is in use in another transaction: end that one there.",
  NoCredit: "The token has no credit there.",
  NotAllowedTypeEVSE: "The token may not charge at this type of EVSE.",
  NotAtThisLocation: "The token may not charge at this location.",
  NotAtThisTime: "The token may not charge at this time.",
};

const ERRORS = {
  NotImplemented: "It does not know this action.",
  NotSupported: "It does not support this action.",
  SecurityError: "It does not allow this: check the rights of the charge point.",
};

/** Of CALLs to the charge point, by action: what a refusal means. */
const REFUSED_CALLS = {
  RemoteStartTransaction: "Check that the connector is free and not Unavailable, and that the vehicle is plugged in.",
  RequestStartTransaction: "Check that the EVSE is free and not Unavailable, and that the vehicle is plugged in.",
  ChangeAvailability: "The connector keeps its availability.",
  SetChargingProfile: "The profile is not in force: check its limits and its stack level.",
};

/** `latest`: as `Answers` has it. Returns `[{tone, text}]`. */
export function answerFindings(latest, now) {
  const recent = latest.filter((one) => now - new Date(one.time) < RECENT);
  const boot = latest.find((one) => isOfBackEnd(one) && one.action === "BootNotification");
  const others = recent.filter((one) => one !== boot);
  const tokens = others.filter((one) => isOfBackEnd(one) && one.token !== null && isNotAccepted(one));
  const errors = others.filter((one) => one.error);
  const rest = others.filter((one) => !one.error && one.refused && !tokens.includes(one));
  return [
    ...(boot ? bootFinding(boot, now) : []),
    ...shortened(tokens, "token is refused", (one) => tokenFinding(one, now)),
    ...shortened(errors, "action is answered with an error", (one) => errorFinding(one, now)),
    ...shortened(rest, "action is refused", (one) => refusedFinding(one, now)),
  ];
}

function isOfBackEnd({ direction }) {
  return direction === "downlink";
}

function isNotAccepted({ error, status }) {
  return !error && status !== null && status !== "Accepted";
}

function shortened(answers, what, finding) {
  const found = answers.slice(0, MAX_SHOWN).map(finding);
  const more = answers.length - MAX_SHOWN;
  if (more > 0) found.push({ tone: "warn", text: `${count(more)} more: ${what} in the messages below.` });
  return found;
}

function who({ by }) {
  return { "back end": "The back end", transform: "A transform", "charge point": "The charge point" }[by];
}

function bootFinding(answer, now) {
  if (answer.error) return [errorFinding(answer, now, "bad")];
  const { tone, text } = BOOT[answer.status] ?? {};
  if (!text) return [];
  return [{ tone, text: `${who(answer)} answered BootNotification with ${answer.status}, ${ago(answer.time, now)}. ${text}` }];
}

function tokenFinding(answer, now) {
  const { action, token, status, time } = answer;
  const advice = TOKENS[status] ?? "See there what is wrong with this token.";
  return { tone: "bad", text: `${who(answer)} answered ${action} of the token ${token} with ${status}, ${ago(time, now)}. ${advice}` };
}

function errorFinding(answer, now, tone = "warn") {
  const { action, error: { code, description }, time } = answer;
  const error = code ? `CALLERROR ${code}${description ? `: ${description}` : ""}` : "a CALLERROR";
  const advice = ERRORS[code] ?? (isOfBackEnd(answer) && answer.by === "back end" ? "Look at its log." : "Its trace below says why.");
  return { tone, text: `${sentence(`${who(answer)} answered ${action}, ${ago(time, now)}, with ${error}`)} ${advice}` };
}

function refusedFinding(answer, now) {
  const { action, status, time } = answer;
  const advice = isOfBackEnd(answer) ? "See there why." : (REFUSED_CALLS[action] ?? "Its own log may say why.");
  // What vendors transfer beside OCPP seldom keeps a charge point from charging.
  const tone = action === "DataTransfer" ? "info" : "warn";
  return { tone, text: `${who(answer)} answered ${action} with ${status}, ${ago(time, now)}. ${advice}` };
}

/** What the page has seen of answers, and since when: what it says of them holds for these only. */
export function seenText({ since, seen, gaps, latest }, payloads, now) {
  if (!since) return "Its messages are not followed yet: whether a back end accepts it is not known here.";
  const from = `since ${clock(since)}, when this page began to listen`;
  const missing = gaps ? " Some messages in between are missing." : "";
  if (!seen) return `Whether a back end accepts it is not known here: no answer of one was seen ${from}.${missing}`;
  const number = seen === 1 ? "One answer of back ends was" : `${count(seen)} answers of back ends were`;
  if (!payloads) return `${number} seen ${from}, without what they say (admin.tap_payloads is false).${missing}`;
  const refused = answerFindings(latest, now).length > 0;
  const boot = latest.find((one) => isOfBackEnd(one) && one.action === "BootNotification");
  const accepted = boot?.status === "Accepted" ? ` BootNotification was accepted at ${clock(boot.time)}.` : "";
  const never = boot ? "" : " A BootNotification was not among them.";
  return `${number} seen ${from}${refused ? "" : ", and no refusal in the last ten minutes"}.${accepted}${never}${missing}`;
}
