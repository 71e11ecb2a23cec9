// Where JSON text cannot be read. The browser reads it; its message often does not say the place.

const TOKEN = /[ \t\n\r]+|"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|[[\]{},:]/y;

/** `{line, column, text}`, both from 1, of the first fault in JSON text; null if it can be read. */
export function jsonFault(text) {
  try {
    JSON.parse(text);
    return null;
  } catch (error) {
    const before = text.slice(0, faultAt(text)).split("\n");
    return { line: before.length, column: before.at(-1).length + 1, text: error.message };
  }
}

/** The index of the first token that does not fit. */
function faultAt(text) {
  // What may follow: value, key, colon, comma (or the end of what is open), or the end of the text. `first`: the end is allowed too.
  const open = [];
  let wanted = "value";
  let first = false;
  for (let at = 0; at < text.length; at = TOKEN.lastIndex) {
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(text)?.[0];
    if (token === undefined) return at;
    if (/^[ \t\n\r]/.test(token)) continue;
    const after = next(token, wanted, first, open);
    if (after === null) return at;
    first = token === "{" || token === "[";
    wanted = after === "done" ? (open.length ? "comma" : "end") : after;
  }
  return text.length;
}

/** What is wanted after the token; `done` after a value; null if the token does not fit. */
function next(token, wanted, first, open) {
  const closes = token === "}" || token === "]";
  if (closes) {
    const fits = (wanted === "comma" || first) && open.pop() === (token === "}" ? "{" : "[");
    return fits ? "done" : null;
  }
  if (wanted === "key") return token[0] === '"' ? "colon" : null;
  if (wanted === "colon") return token === ":" ? "value" : null;
  if (wanted === "comma") return token === "," ? (open.at(-1) === "{" ? "key" : "value") : null;
  if (wanted === "end" || token === "," || token === ":") return null;
  if (token !== "{" && token !== "[") return "done";
  open.push(token);
  return token === "{" ? "key" : "value";
}
