// The identities of the charge points that the checks connect. The gateway refuses others.

export const SWARM_SIZE = 5_000;
const SWARM_PREFIX = "SWARM-";

export const swarmIdentity = (index) => SWARM_PREFIX + String(index).padStart(4, "0");

/** Charge points of the checks. Those that share one do not disturb each other. */
export const ID = {
  /** Connected all the time, and reports now and then. */
  steady: "CP-STEADY",
  /** Connected all the time, too; OCPP 2.0.1. */
  modern: "CP-MODERN",
  /** Says what a check has it say. */
  talker: "CP-TALKER",
  /** Is disconnected by a check. */
  kicked: "CP-KICKED",
  /** Known, but never connected. */
  away: "CP-AWAY",
  /** Unknown to the gateway. */
  unknown: "CP-UNKNOWN",
  /** Markup that would run where it is not shown as text. There is no way to write `</script>`: an identity has no slash. */
  image: "<img src=x onerror=window.markupRan=1>",
  script: "<script>window.markupRan=1",
};

/** The back end answers a BootNotification with this model with Rejected, and an Authorize of this token with Blocked. */
export const REFUSED_MODEL = "Refused";
export const BLOCKED_TOKEN = "TAG-BLOCKED";

export const KNOWN = [
  ...Object.values(ID).filter((identity) => identity !== ID.unknown),
  ...Array.from({ length: SWARM_SIZE }, (_, index) => swarmIdentity(index)),
];
