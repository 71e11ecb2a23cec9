// A candidate as files of the drop-in directory: `NN-name.jq` for a program, `NN-name.toml` for the settings of the file of that name, or
// alone with the name of a component.

/** The limits of a transform whose settings name none. */
const LIMITS = { actions: 16, log_lines: 100, memory: "16MiB", output: "256KiB", state: "4MiB", state_keys: 10000 };

/**
 * `stem`: `50-quirk`. `program`: null for a transform that is none of jq. `settings`: the keys of a `[[transforms]]` entry but component
 * and program. `component`: null if it is a file beside the settings. Returns `[{name, text}]`.
 */
export function dropInFiles({ stem, program, component, settings }) {
  const keys = withoutDefaults(settings);
  if (program !== null) {
    const files = [{ name: `${stem}.jq`, text: program.endsWith("\n") ? program : `${program}\n` }];
    return Object.keys(keys).length ? [...files, { name: `${stem}.toml`, text: toml(keys) }] : files;
  }
  return [{ name: `${stem}.toml`, text: toml({ ...(component && { component }), ...keys }) }];
}

/** The settings without what they are anyway. */
function withoutDefaults({ match = {}, limits = {}, on_error: onError, config = {}, ...rest }) {
  const kept = (table, isDefault) => Object.fromEntries(Object.entries(table).filter((entry) => !isDefault(entry)));
  const tables = {
    match: kept(match, ([, values]) => Array.isArray(values) && !values.length),
    limits: kept(limits, ([key, value]) => LIMITS[key] === value),
    config,
  };
  return {
    ...rest,
    ...(onError && onError !== "reject" && { on_error: onError }),
    ...kept(tables, ([, table]) => !Object.keys(table).length),
  };
}

/** An object as TOML: values first, then a section for each table, in which tables are inline. */
function toml(keys) {
  const entries = Object.entries(keys).filter(([, value]) => value !== null && value !== undefined);
  const isTable = ([, value]) => typeof value === "object" && !Array.isArray(value);
  const lines = entries.filter((entry) => !isTable(entry)).map(([key, value]) => `${name(key)} = ${inline(value)}\n`);
  const sections = entries.filter(isTable).map(([key, table]) => `\n[${name(key)}]\n${members(table).join("\n")}\n`);
  return [...lines, ...sections].join("").trimStart();
}

function members(table) {
  return Object.entries(table).filter(([, value]) => value !== null).map(([key, value]) => `${name(key)} = ${inline(value)}`);
}

function inline(value) {
  if (Array.isArray(value)) return `[${value.map(inline).join(", ")}]`;
  if (typeof value !== "object") return JSON.stringify(value);
  const inner = members(value).join(", ");
  return inner ? `{ ${inner} }` : "{}";
}

function name(key) {
  return /^[A-Za-z0-9_-]+$/.test(key) ? key : JSON.stringify(key);
}
