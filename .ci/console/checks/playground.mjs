// Typing a program, and seeing what it makes of a message.
import { readFileSync } from "node:fs";
import { equal, gone, shows, visible } from "../expect.mjs";
import { confirm, messages, playground } from "../names.mjs";
import { until } from "../wait.mjs";

const MESSAGE = '[2,"1","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"available"}]';
const BROKEN = 'def uplink:\n    if .action == "StatusNotification"\n    then .payload.status = nosuch\n    else .\n    end;\n';
const FIXED = BROKEN.replace("nosuch", '"Available"');
/** The line of `BROKEN` with the fault. */
const LINE = 3;

export default async function play({ check, programs }) {
  const open = async (tabs, options) => {
    const page = await tabs.open("playground", options);
    await playground(page).candidate.selectOption(playground(page).newProgram);
    await playground(page).message.fill(MESSAGE);
    return page;
  };

  await check("a broken program is marked at its line while it is typed, and a repaired one shows its result", async (tabs) => {
    const page = await open(tabs, { allow: /status of 422/ });
    await playground(page).program.fill(BROKEN);
    await visible(playground(page).mark, "the mark");
    equal(await markedLine(page), LINE, "the marked line");
    await shows(playground(page).fault, /nosuch/, "the fault in words");
    await playground(page).program.fill(FIXED);
    await gone(playground(page).mark, "the mark");
    await shows(playground(page).result, /"Available"/, "the result");
  });

  await check("a frame that is no JSON is marked at its line", async (tabs) => {
    const page = await open(tabs);
    await playground(page).message.fill('[2,"1","Heartbeat",\n{"broken: 1}]');
    await visible(playground(page).mark, "the mark");
    equal(await markedLine(page), 2, "the marked line");
  });

  await check("Tab indents in the editor; Escape, then Tab leaves it", async (tabs) => {
    const page = await open(tabs);
    const { program } = playground(page);
    await program.fill("");
    await program.press("Tab");
    equal(await program.inputValue(), "  ", "the text after Tab");
    await program.press("Escape");
    await program.press("Tab");
    equal(await program.evaluate((editor) => editor === document.activeElement), false, "the editor has the focus after Escape and Tab");
  });

  await check("a program is downloaded as a drop-in", async (tabs) => {
    const page = await open(tabs);
    await playground(page).program.fill(FIXED);
    await shows(playground(page).result, /"Available"/, "the result");
    const [file] = await Promise.all([page.waitForEvent("download"), playground(page).dropIn.click()]);
    equal(/\.jq$/.test(file.suggestedFilename()), true, "the name of the file ends in .jq");
    equal(readFileSync(await file.path(), "utf8"), FIXED, "the file is the program");
  });

  await check("a program is put live after a question that says what changes", async (tabs) => {
    // While the answer is on its way, the name may be tried once more, and is taken then. At the end the transform is deleted, and the page
    // may ask for it once more.
    const page = await open(tabs, { allow: /status of (404|409)/ });
    await playground(page).name.fill("from-playground");
    await playground(page).program.fill(FIXED);
    await shows(playground(page).result, /"Available"/, "the result");
    await playground(page).putLive.click();
    await shows(page.getByRole("dialog"), /from-playground/, "the question");
    await confirm(page).click();
    const runs = async () => (await programs.api("/api/v1/transforms/from-playground")).status === 200;
    await until("the transform runs", runs);
    await programs.api("/api/v1/transforms/from-playground", { method: "DELETE" });
  });
}

/** The number of the line that stands behind the mark. */
function markedLine(page) {
  return playground(page).mark.first().evaluate((mark) => {
    const { top, height } = mark.getBoundingClientRect();
    return Math.round((top - mark.parentElement.getBoundingClientRect().top) / height) + 1;
  });
}
