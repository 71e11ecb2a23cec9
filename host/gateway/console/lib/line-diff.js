// The difference of two texts, line by line.

/** Most cells of the table that finds the longest common lines: 4 MB. What exceeds it is shown as removed and added as a whole. */
const MAX_CELLS = 1_000_000;

/**
 * `[{kind: "same" | "removed" | "added", text}]`, one for each line, by the longest common subsequence of the lines between the common
 * beginning and the common end.
 */
export function diffLines(oldText, newText) {
  const before = oldText.split("\n");
  const after = newText.split("\n");
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start += 1;
  let end = 0;
  while (end < before.length - start && end < after.length - start && before.at(-1 - end) === after.at(-1 - end)) end += 1;
  return [
    ...lines("same", before.slice(0, start)),
    ...middle(before.slice(start, before.length - end), after.slice(start, after.length - end)),
    ...lines("same", before.slice(before.length - end)),
  ];
}

function lines(kind, texts) {
  return texts.map((text) => ({ kind, text }));
}

function middle(before, after) {
  if (!before.length || !after.length || (before.length + 1) * (after.length + 1) > MAX_CELLS) {
    return [...lines("removed", before), ...lines("added", after)];
  }
  const width = after.length + 1;
  const common = commonLengths(before, after, width);
  const found = [];
  for (let i = 0, j = 0; i < before.length || j < after.length; ) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      found.push({ kind: "same", text: before[i] });
      i += 1;
      j += 1;
    } else if (i < before.length && (j === after.length || common[(i + 1) * width + j] >= common[i * width + j + 1])) {
      found.push({ kind: "removed", text: before[i] });
      i += 1;
    } else {
      found.push({ kind: "added", text: after[j] });
      j += 1;
    }
  }
  return found;
}

/** How many lines `before` from i and `after` from j have in common, at i * width + j. */
function commonLengths(before, after, width) {
  const common = new Uint32Array((before.length + 1) * width);
  for (let i = before.length - 1; i >= 0; i -= 1) {
    for (let j = after.length - 1; j >= 0; j -= 1) {
      common[i * width + j] = before[i] === after[j]
        ? common[(i + 1) * width + j + 1] + 1
        : Math.max(common[(i + 1) * width + j], common[i * width + j + 1]);
    }
  }
  return common;
}

/** Leaves out equal lines that are further than `around` from a change: `{kind: "left_out", count}` stands for them. */
export function folded(diff, around = 3) {
  const near = new Uint8Array(diff.length);
  diff.forEach(({ kind }, at) => {
    if (kind !== "same") near.fill(1, Math.max(0, at - around), at + around + 1);
  });
  const shown = [];
  diff.forEach((line, at) => {
    if (near[at]) shown.push(line);
    else if (shown.at(-1)?.kind === "left_out") shown.at(-1).count += 1;
    else shown.push({ kind: "left_out", count: 1 });
  });
  return shown;
}
