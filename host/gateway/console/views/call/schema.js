// What a form needs of a JSON schema as OCPP publishes them (drafts 4 and 6): members, first values, and faults. No DOM here.
import { jsonFault } from "../../lib/faults.js";

/** Vendors' own additions: a form has no use for them, JSON does. */
const LEFT_OUT = new Set(["customData"]);
const MAX_FAULTS = 100;

/** The schema that a `$ref` in `root` points to; descriptions beside the `$ref` win. */
export function resolve(schema, root) {
  let found = schema;
  for (let depth = 0; found?.$ref && depth < 20; depth += 1) {
    const target = found.$ref.replace(/^#\/?/, "").split("/").reduce((at, name) => at?.[name], root) ?? {};
    found = { ...target, description: schema.description ?? target.description };
  }
  return found ?? {};
}

/** `[{name, schema, required}]` of an object: required members first, else in the order of the schema. */
export function members(schema, root) {
  const required = schema.required ?? [];
  return Object.entries(schema.properties ?? {})
    .filter(([name]) => !LEFT_OUT.has(name))
    .map(([name, member]) => ({ name, schema: resolve(member, root), required: required.includes(name) }))
    .sort((a, b) => b.required - a.required);
}

/** string, number, integer, boolean, object, array, or any. */
export function kindOf(schema) {
  if (schema.properties) return "object";
  return ["string", "number", "integer", "boolean", "object", "array"].includes(schema.type) ? schema.type : "any";
}

/**
 * The value that a form begins with: objects with what is required in them, arrays with as many items as they need. Undefined: a value is
 * to be entered; as the value of a member, the form shows the member and JSON does not have it.
 */
export function initial(schema, root) {
  switch (kindOf(schema)) {
    case "object":
      return Object.fromEntries(
        members(schema, root).filter(({ required }) => required).map(({ name, schema: member }) => [name, initial(member, root)]),
      );
    case "array":
      return Array.from({ length: schema.minItems ?? 0 }, () => initial(resolve(schema.items, root), root));
    default:
      return schema.default;
  }
}

/** The sentence about a member, without the URNs that the schemas of OCPP 2.x have in front of it. */
export function describe(schema) {
  const lines = (schema.description ?? "").split(/\r?\n/).map((line) => line.trim());
  const urn = lines.findLastIndex((line) => /^urn:/i.test(line));
  const text = lines.slice(urn + 1).filter(Boolean).join(" ");
  return text.replace(/&(lt|gt|amp|quot);/g, (_, name) => ({ lt: "<", gt: ">", amp: "&", quot: '"' })[name]);
}

/**
 * What is wrong with a value: a Map from its place, `/evse/0/id`, to a text. `{missing: false}`: without what is not entered yet.
 */
export function faults(schema, root, value, { missing = true } = {}) {
  const found = new Map();
  const add = (path, text) => found.size < MAX_FAULTS && !found.has(path) && found.set(path, text);
  check(resolve(schema, root), root, value, "", { missing, add });
  return found;
}

function check(schema, root, value, path, tools) {
  if (value === undefined) return tools.missing && tools.add(path, "Enter a value.");
  const wrong = wrongType(kindOf(schema), value) ?? wrongValue(schema, value);
  if (wrong) tools.add(path, wrong);
  else if (Array.isArray(value)) {
    const items = resolve(schema.items, root);
    value.forEach((item, at) => check(items, root, item, `${path}/${at}`, tools));
  } else if (value !== null && typeof value === "object") checkMembers(schema, root, value, path, tools);
}

function checkMembers(schema, root, value, path, tools) {
  for (const name of schema.required ?? []) {
    if (value[name] === undefined && tools.missing) tools.add(`${path}/${name}`, "Required: enter a value.");
  }
  for (const [name, member] of Object.entries(value)) {
    const known = schema.properties?.[name];
    if (known) check(resolve(known, root), root, member, `${path}/${name}`, tools);
    else if (schema.additionalProperties === false) tools.add(`${path}/${name}`, `${name} is not in the schema.`);
  }
}

const TYPES = {
  string: ["text", (value) => typeof value === "string"],
  number: ["a number", (value) => typeof value === "number"],
  integer: ["a whole number", (value) => Number.isInteger(value)],
  boolean: ["true or false", (value) => typeof value === "boolean"],
  object: ["an object", (value) => value !== null && typeof value === "object" && !Array.isArray(value)],
  array: ["a list", Array.isArray],
};

function wrongType(kind, value) {
  if (kind === "any") return null;
  const [name, fits] = TYPES[kind];
  return fits(value) ? null : `This has to be ${name}.`;
}

/** RFC 3339, with a zone. */
const DATE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i;

function wrongValue(schema, value) {
  if (schema.enum && !schema.enum.includes(value)) {
    return `Not one of ${schema.enum.slice(0, 6).join(", ")}${schema.enum.length > 6 ? ", …" : ""}.`;
  }
  if (typeof value === "string") return wrongText(schema, value);
  if (typeof value === "number") return wrongNumber(schema, value);
  if (Array.isArray(value)) {
    if (value.length < (schema.minItems ?? 0)) return `At least ${schema.minItems} needed.`;
    if (value.length > (schema.maxItems ?? Infinity)) return `At most ${schema.maxItems} allowed.`;
  }
  return null;
}

function wrongText(schema, value) {
  // OCPP counts characters; those beyond the BMP are two in JavaScript.
  const length = [...value].length;
  if (length > (schema.maxLength ?? Infinity)) return `${length} characters; at most ${schema.maxLength} are allowed.`;
  if (length < (schema.minLength ?? 0)) return `At least ${schema.minLength} characters are needed.`;
  if (schema.format === "date-time" && (!DATE.test(value) || Number.isNaN(Date.parse(value)))) {
    return "Not a date with time and zone, as 2026-11-30T14:00:00Z.";
  }
  if (schema.format === "uri" && !URL.canParse(value)) return "Not a URI.";
  return null;
}

function wrongNumber(schema, value) {
  if (value < (schema.minimum ?? -Infinity)) return `At least ${schema.minimum}.`;
  if (value > (schema.maximum ?? Infinity)) return `At most ${schema.maximum}.`;
  const times = value / (schema.multipleOf ?? 1);
  // 8.1 / 0.1 is not quite 81.
  return schema.multipleOf && Math.abs(times - Math.round(times)) > 1e-6 ? `Has to be a multiple of ${schema.multipleOf}.` : null;
}

/** What is wrong with the text of a payload, for the editor: it cannot be read, or is no object. Null: nothing. */
export function payloadFault(text) {
  return jsonFault(text) ?? (TYPES.object[1](JSON.parse(text)) ? null : { text: "The payload has to be a JSON object." });
}
