// Places of faults in what was typed: `{line, column, text}`, both from 1, as `Editor` marks them.

/** Why the text is no JSON, or null if it is. */
export function jsonFault(text) {
  try {
    JSON.parse(text);
    return null;
  } catch {
    // What browsers say of the place differs, and some say nothing of it.
    const { at, text: why } = scan(text);
    const { line, column } = placeAt(text, at);
    return { line, column, text: `line ${line}, column ${column}: ${why}` };
  }
}

function placeAt(text, at) {
  const before = text.slice(0, at).split("\n");
  return { line: before.length, column: before.at(-1).length + 1 };
}

/** Where a member stands in JSON text, by the names on the way to it: `{line, column}`; null if it does not. */
export function memberPlace(text, names) {
  const path = [];
  for (const { 0: token, index, groups } of text.matchAll(/(?<name>"(?:[^"\\]|\\.)*")\s*:|"(?:[^"\\]|\\.)*"|[{}[\]]/g)) {
    if (token === "{" || token === "[") path.push(null);
    else if (token === "}" || token === "]") path.pop();
    else if (groups.name) {
      path[path.length - 1] = JSON.parse(groups.name);
      if (path.length === names.length && names.every((name, at) => name === path[at])) return placeAt(text, index);
    }
  }
  return null;
}

/** What a jq program is refused for, out of the gateway's text, or null if that names no place in a program. */
export function programFault(detail) {
  const [, line, column, text] = /program: line (\d+), column (\d+): ([^\n]*)/.exec(detail ?? "") ?? [];
  return line ? { line: Number(line), column: Number(column), text: `line ${line}, column ${column}: ${text}` } : null;
}

const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const WORD = /(?:true|false|null)(?![A-Za-z0-9_])/y;
const SPACE = /[ \t\n\r]*/y;

class Fault {
  constructor(at, text) {
    Object.assign(this, { at, text });
  }
}

/** The first place at which a text stops being JSON. */
function scan(text) {
  let at = 0;
  const matches = (pattern) => {
    pattern.lastIndex = at;
    const found = pattern.test(text);
    if (found) at = pattern.lastIndex;
    return found;
  };
  const here = () => (at >= text.length ? "the text ends" : `found ${JSON.stringify(text[at])}`);
  const wanted = (what) => new Fault(at, `${what} is expected, but ${here()}`);
  const string = (what) => {
    if (text[at] !== '"') throw wanted(what);
    if (!matches(STRING)) throw new Fault(at, "this string does not end, or has a character that has to be escaped");
  };
  const list = (end, element) => {
    at += 1;
    matches(SPACE);
    if (text[at] === end) return void (at += 1);
    for (;;) {
      element();
      matches(SPACE);
      if (text[at] === end) return void (at += 1);
      if (text[at] !== ",") throw wanted(`"," or "${end}"`);
      at += 1;
      matches(SPACE);
    }
  };
  const member = () => {
    string("a name in quotes");
    matches(SPACE);
    if (text[at] !== ":") throw wanted('":"');
    at += 1;
    value();
  };
  const value = () => {
    matches(SPACE);
    if (text[at] === "{") list("}", member);
    else if (text[at] === "[") list("]", value);
    else if (text[at] === '"') string();
    else if (!matches(NUMBER) && !matches(WORD)) throw wanted("a value");
  };
  try {
    value();
    matches(SPACE);
    if (at < text.length) throw wanted("the end");
  } catch (fault) {
    // Nested too deeply for this: the beginning is as good a place as any.
    return fault instanceof Fault ? fault : { at: 0, text: "no JSON" };
  }
  return { at, text: "no JSON" };
}
