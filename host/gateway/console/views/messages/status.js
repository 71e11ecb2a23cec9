// What the status in an answer says: done, done later, or refused. No DOM here.

/** Answers with one of these say that something was not done, though they are CALLRESULTs: of all versions of OCPP. */
const REFUSALS = new Set([
  "Rejected", "Invalid", "Blocked", "Expired", "ConcurrentTx", "NotAtThisTime", "NotAtThisLocation", "NotAllowedTypeEVSE", "NoCredit",
  "Unknown", "Failed", "Faulted", "Occupied", "Unavailable", "UnknownMessageId", "UnknownVendorId", "UnknownVendor", "NotImplemented",
  "NotSupported", "VersionMismatch", "UnlockFailed", "OngoingAuthorizedTransaction", "UnknownConnector", "NoTransaction", "NotFound",
  "NotAccepted", "UnknownComponent", "UnknownVariable", "NotSupportedAttributeType", "UnsupportedMonitorType", "Duplicate",
  "InvalidCertificate", "RevokedCertificate", "CertificateRevoked", "CertificateExpired", "CertChainError", "ContractCancelled",
  "NoCertificateAvailable", "SignatureError", "Revoked", "NotSupportedPriority", "NotSupportedState", "NotSupportedMessageFormat",
  "LanguageNotSupported", "UnknownTransaction", "TxNotFound", "NoProfile", "NoProfiles", "NoTariff", "NoFirmware", "DuplicateTariffId",
  "TooManyElements", "ConditionNotSupported", "NoCurrencyChange",
]);
/** Not refused, but not in force yet. */
const LATER = new Set(["Pending", "RebootRequired", "Scheduled", "Processing", "DownloadOngoing"]);
const DONE = new Set(["Accepted", "AcceptedCanceled", "Unlocked", "Unpublished", "Good"]);

/** The statuses in the payload of an answer: its own, of the authorization in it, and of each element of a list of results. */
export function statusesOf(payload) {
  if (payload === null || typeof payload !== "object") return [];
  const { status, idTagInfo, idTokenInfo, certificateStatus } = payload;
  const own = [status, idTagInfo?.status, idTokenInfo?.status, certificateStatus];
  // setVariableResult, getVariableResult, setMonitoringResult, clearMonitoringResult, …
  const lists = Object.entries(payload).filter(([name, value]) => name.endsWith("Result") && Array.isArray(value));
  const elements = lists.flatMap(([, value]) => value.map((one) => one?.attributeStatus ?? one?.status));
  return [...own, ...elements].filter((one) => typeof one === "string");
}

/** The status that matters most in an answer: a refusal, what is not in force yet, or else the first one; null without one. */
export function statusOf(payload) {
  const all = statusesOf(payload);
  return all.find(isRefusal) ?? all.find((one) => LATER.has(one)) ?? all[0] ?? null;
}

export function isRefusal(status) {
  return REFUSALS.has(status);
}

/** The tone of a status as a badge: ok, info (later), warn (refused), none (not known: of a vendor). */
export function answerTone(status) {
  if (isRefusal(status)) return "warn";
  return DONE.has(status) ? "ok" : LATER.has(status) ? "info" : "none";
}

/** The statuses of an answer in words: `Accepted`, or `1 of 3 Rejected`. Null without one. */
export function statusText(payload) {
  const status = statusOf(payload);
  const all = statusesOf(payload);
  const same = all.filter((one) => one === status).length;
  return same === all.length ? status : `${same} of ${all.length} ${status}`;
}
