// Where things are in the console, by the roles and names that people meet. What a view calls something stands here and nowhere else.
import { ID } from "./identities.mjs";

const view = (page) => page.locator("#view");

/** The views: the end of the address, the heading, and what is there once the view has its data. */
export const VIEWS = [
  { name: "overview", path: "", heading: /^overview$/i, shown: (page) => page.getByRole("img", { name: /^charge points/i }) },
  { name: "charge-points", path: "charge-points", heading: /^charge points$/i, shown: (page) => row(page, ID.steady) },
  { name: "refused", path: "charge-points?state=refused", heading: /^charge points$/i, shown: (page) => row(page, ID.unknown) },
  { name: "charge-point", path: `charge-points/${ID.steady}`, heading: ID.steady, shown: (page) => messages(page).table },
  { name: "call", path: "call", heading: /^send a call/i, shown: (page) => call(page).action },
  { name: "transforms", path: "transforms", heading: /^transforms$/i, shown: (page) => view(page).getByRole("link", { name: "quirk" }) },
  { name: "transform", path: "transforms/quirk", heading: /quirk/, shown: (page) => view(page).getByText(/builtin:jq/) },
  { name: "playground", path: "playground", heading: /^playground$/i, shown: (page) => playground(page).result },
  { name: "events", path: "events", heading: /^events$/i, shown: (page) => view(page).getByRole("table") },
  { name: "changes", path: "events?tab=audit", heading: /^events$/i, shown: (page) => view(page).getByText(/no change|before/i) },
  { name: "settings", path: "settings", heading: /^settings$/i, shown: (page) => view(page).getByText("call_timeout", { exact: true }) },
];

export const heading = (page) => page.getByRole("heading", { level: 1 });
export const content = view;
export const skip = (page) => page.getByRole("link", { name: "Skip to the view" });
/** A row of a table, by the text of one of its cells. */
export const row = (page, text) => view(page).getByRole("row").filter({ has: page.getByText(text, { exact: true }) }).first();
export const lost = (page) => page.getByText(/gateway does not answer/);
/** The button of a question that does what was asked for. */
export const confirm = (page) => page.getByRole("dialog").getByRole("button").last();

export const login = (page) => ({
  token: page.getByLabel(/token/i),
  enter: page.getByRole("button", { name: "Continue" }),
  fault: page.getByRole("alert"),
  forget: page.getByRole("button", { name: /forget the token/i }),
});

export const overview = (page) => ({
  find: page.getByRole("combobox", { name: /find a charge point/i }),
  found: page.getByRole("option"),
  problems: page.getByRole("region", { name: /what is wrong/i }),
  numbers: page.getByRole("region", { name: /numbers now/i }),
  refused: page.getByRole("link", { name: /who was refused/i }),
});

export const list = (page) => ({
  search: page.getByRole("searchbox", { name: /identity/i }),
  table: page.getByRole("grid", { name: /charge points/i }),
  /** Its rows, with that of the headings. */
  rows: page.getByRole("grid", { name: /charge points/i }).getByRole("row"),
  link: (identity) => view(page).getByRole("row").getByRole("link", { name: identity, exact: true }),
  listener: page.getByRole("combobox", { name: "Listener" }),
  refused: page.getByRole("tab", { name: /^refused/i }),
  disconnect: page.getByRole("button", { name: /^disconnect/i }).first(),
});

export const chargePoint = (page) => ({
  /** What is wrong with it, or that nothing is. */
  verdict: page.getByRole("region", { name: /why it does not charge/i }),
});

const rowsOf = (page, action) => page.getByRole("grid", { name: /messages/i }).locator("tbody tr").filter({ hasText: action });

export const messages = (page) => ({
  table: page.getByRole("grid", { name: /messages/i }),
  /** The rows of an action. */
  of: (action) => rowsOf(page, action),
  /** Those of which the page has seen the CALL and its answer: these have the time between them. */
  whole: (action) => rowsOf(page, action).filter({ has: page.locator("td.m-took", { hasText: /\d/ }) }),
  action: page.getByRole("combobox", { name: /^action/i }),
  pause: page.getByRole("button", { name: /^pause/i }),
  goOn: page.getByRole("button", { name: /^go on/i }),
  recording: page.getByRole("button", { name: /recording/i }),
  trace: page.getByRole("complementary", { name: /trace/i }),
});

export const call = (page) => ({
  /** Adds a charge point: its identity is typed, Enter adds it. */
  add: page.getByRole("combobox", { name: /add a charge point/i }),
  added: (identity) => page.getByRole("list", { name: "Charge points" }).getByRole("listitem").filter({ hasText: identity }),
  action: page.getByRole("combobox", { name: "Action", exact: true }),
  /** A field of the payload. */
  field: (name) => page.getByLabel(new RegExp(`^${name}`)).first(),
  raw: page.getByRole("tab", { name: "JSON" }),
  payload: page.getByRole("textbox", { name: /payload/i }),
  send: page.getByRole("button", { name: /^send/i }),
  result: view(page).locator("section").filter({ has: page.getByRole("heading", { name: /result/i }) }),
  /** The row of a charge point in the table of results. */
  resultOf: (identity) => view(page).getByRole("row").filter({ hasText: identity }),
  /** Who gets the CALL, by version. */
  groups: page.getByRole("list", { name: "Who gets the CALL" }),
  recent: (action) => view(page).getByRole("listitem").getByRole("button", { name: action }),
});

export const transform = (page) => ({
  /** The transforms that a message of a charge point passes, in their order. */
  lane: view(page).locator("section, div").filter({ has: page.getByRole("heading", { name: /from the charge point/i }) }).last(),
  component: page.getByRole("combobox", { name: /^component/i }),
  file: page.locator("input[type=file]"),
  putLive: page.getByRole("button", { name: /^put live/i }),
  settings: page.getByRole("textbox", { name: /^settings as json/i }),
  /** Says in a form that another version runs than the one with which it began. */
  outdated: page.getByText(/was changed since you began: /),
  history: page.getByRole("tab", { name: /^history/i }),
  /** The row of a version in the history. */
  version: (number) => view(page).getByRole("row").filter({ has: page.getByRole("rowheader", { name: String(number), exact: true }) }),
  rollBack: page.getByRole("button", { name: /^roll back/i }),
  startTrial: page.getByRole("button", { name: /^start/i }),
  endTrial: page.getByRole("button", { name: /^end it/i }),
  forgetTrial: page.getByRole("button", { name: /^forget it/i }),
});

export const playground = (page) => ({
  message: page.getByRole("textbox", { name: /^frame/i }),
  candidate: page.getByRole("combobox", { name: /candidate/i }),
  /** The value of `candidate` for a program that is not there yet. */
  newProgram: "new",
  program: page.getByRole("textbox", { name: /program/i }),
  name: page.getByRole("textbox", { name: /^name/i }),
  /** The line with the fault. */
  mark: page.locator(".editor .mark-line"),
  fault: page.locator(".editor .mark-text"),
  result: view(page).locator("section").filter({ has: page.getByRole("heading", { name: /^result/i }) }),
  putLive: page.getByRole("button", { name: /^put live/i }),
  dropIn: page.getByRole("button", { name: /drop-in/i }),
});

export const events = (page) => ({
  rows: view(page).getByRole("row"),
  changes: page.getByRole("tab", { name: /changes/i }),
});
