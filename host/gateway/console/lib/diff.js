// What differs between two texts, line by line.
import { html, useMemo } from "./ui.js";
import { pretty } from "./format.js";

/** The largest table of the comparison, in cells. Texts that differ in more lines than that are shown one below the other. */
const MAX_CELLS = 400_000;

/** The lines of two texts: `[{kind: "same" | "removed" | "added", text}]`, removed lines before those that took their place. */
function lineDiff(before, after) {
  const [old, now] = [before.split("\n"), after.split("\n")];
  let start = 0;
  while (start < old.length && start < now.length && old[start] === now[start]) start += 1;
  let end = 0;
  while (end < old.length - start && end < now.length - start && old.at(-1 - end) === now.at(-1 - end)) end += 1;
  const same = (lines) => lines.map((text) => ({ kind: "same", text }));
  const [oldMiddle, nowMiddle] = [old.slice(start, old.length - end), now.slice(start, now.length - end)];
  return [...same(old.slice(0, start)), ...middle(oldMiddle, nowMiddle), ...same(old.slice(old.length - end))];
}

/** The longest common subsequence, by the usual table. */
function middle(old, now) {
  const all = (lines, kind) => lines.map((text) => ({ kind, text }));
  const width = now.length + 1;
  if (!old.length || !now.length || (old.length + 1) * width > MAX_CELLS) return [...all(old, "removed"), ...all(now, "added")];
  const common = new Uint32Array((old.length + 1) * width);
  for (let row = old.length - 1; row >= 0; row -= 1) {
    for (let column = now.length - 1; column >= 0; column -= 1) {
      const at = row * width + column;
      common[at] = old[row] === now[column] ? common[at + width + 1] + 1 : Math.max(common[at + width], common[at + 1]);
    }
  }
  const lines = [];
  let [row, column] = [0, 0];
  while (row < old.length && column < now.length) {
    const at = row * width + column;
    if (old[row] === now[column]) {
      lines.push({ kind: "same", text: old[row] });
      row += 1;
      column += 1;
    } else if (common[at + width] >= common[at + 1]) lines.push({ kind: "removed", text: old[row++] });
    else lines.push({ kind: "added", text: now[column++] });
  }
  return [...lines, ...all(old.slice(row), "removed"), ...all(now.slice(column), "added")];
}

/** Leaves out equal lines that are further than `context` from a change: `{kind: "gap", count}` takes their place. */
export function folded(lines, context = 3) {
  const near = new Array(lines.length).fill(false);
  lines.forEach(({ kind }, place) => kind !== "same" && near.fill(true, Math.max(0, place - context), place + context + 1));
  const shown = [];
  for (let place = 0; place < lines.length; place += 1) {
    // A gap of one line is no shorter than the line.
    if (near[place] || ((near[place - 1] ?? true) && (near[place + 1] ?? true))) shown.push(lines[place]);
    else if (shown.at(-1)?.kind === "gap") shown.at(-1).count += 1;
    else shown.push({ kind: "gap", count: 1 });
  }
  return shown;
}

/** Marks what differs within a line that took the place of one other: `parts` `[before, different, after]` of both. */
function withParts(lines) {
  const kind = (place) => lines[place]?.kind;
  // One line was removed here, and one was added in its place.
  const isPair = (place) =>
    kind(place) === "removed" && kind(place + 1) === "added" && kind(place - 1) !== "removed" && kind(place + 2) !== "added";
  return lines.map((line, place) => {
    if (isPair(place)) return { ...line, parts: parts(line.text, lines[place + 1].text) };
    if (isPair(place - 1)) return { ...line, parts: parts(line.text, lines[place - 1].text) };
    return line;
  });
}

/** Null if the lines have too little in common for this to help. */
function parts(text, other) {
  const most = Math.min(text.length, other.length);
  let start = 0;
  while (start < most && text[start] === other[start]) start += 1;
  let end = 0;
  while (end < most - start && text.at(-1 - end) === other.at(-1 - end)) end += 1;
  if ((start + end) * 3 < Math.max(text.length, other.length)) return null;
  return [text.slice(0, start), text.slice(start, text.length - end), text.slice(text.length - end)];
}

const SIGNS = { same: " ", removed: "−", added: "+" };
const SPOKEN = { removed: "removed: ", added: "added: " };

/** Two texts as one, with the lines that only one of them has. JSON is compared in the same form. `whole`: with all equal lines. */
export function Diff({ before, after, label, whole = false }) {
  const lines = useMemo(() => {
    const all = lineDiff(pretty(before), pretty(after));
    return withParts(whole ? all : folded(all));
  }, [before, after, whole]);
  return html`<div class="diff" tabindex="0" role="group" aria-label=${label ?? "Difference"}>
    ${lines.map(({ kind, text, count, parts: of }, place) => {
      if (kind === "gap") return html`<div key=${place} class="diff-gap">${count} equal lines</div>`;
      const content = of ? html`${of[0]}<mark>${of[1]}</mark>${of[2]}` : text;
      return html`<div key=${place} class=${`diff-line ${kind}`}>
        <span class="sign" aria-hidden="true">${SIGNS[kind]}</span>
        ${SPOKEN[kind] && html`<span class="visually-hidden">${SPOKEN[kind]}</span>`}<code>${content}</code>
      </div>`;
    })}
  </div>`;
}
