// The transform {{name}}. Each hook is an exported object, and `wit/world.wit` names them all.

/** `[transforms.config]` of the gateway's configuration: an object for each hook, which is filled with defaults below. */
const config = {};

export const lifecycle = {
  /** A string that is thrown is a refusal of the configuration. An `Error` would be a crash. */
  configure(text) {
    for (const [hook, settings] of Object.entries(JSON.parse(text))) {
      for (const [name, value] of Object.entries(settings)) {
        if (typeof config[hook]?.[name] !== typeof value) throw `${hook}.${name}: unknown, or of another type`;
        config[hook][name] = value;
      }
    }
    return { name: "{{name}}", version: "0.1.0", attributes: [] };
  },
};
