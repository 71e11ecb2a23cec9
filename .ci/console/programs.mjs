// What the console needs behind it: a broker, a gateway, a back end and charge points. Each is stopped at the end.
import { fork, spawn } from "node:child_process";
import { mkdirSync, openSync, rmSync, writeFileSync, closeSync, readFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { until } from "./wait.mjs";

export const ADMIN_TOKEN = "admin-token-0123456789";
export const VIEWER_TOKEN = "viewer-token-0123456789";
/** Milliseconds until a program has to listen. A gateway that starts for the first time compiles its components. */
const START_WITHIN = 120_000;
/** Milliseconds between SIGTERM and SIGKILL. */
const STOP_WITHIN = 5_000;

/** A directory without files. Its long name has no place to break: no view may scroll sideways because of it. */
const DROP_INS = `drop-ins-${"long".repeat(30)}`;

/** The program of the transform `quirk`. */
export const QUIRK = `def uplink:
    if .action == "BootNotification" then .payload.firmwareVersion //= "unknown" end;
`;

/** Ports that are free now. They are bound all at once, so that they differ. */
async function freePorts(count) {
  const listeners = Array.from({ length: count }, () => net.createServer());
  await Promise.all(listeners.map((listener) => new Promise((resolve) => listener.listen(0, "127.0.0.1", resolve))));
  const ports = listeners.map((listener) => listener.address().port);
  await Promise.all(listeners.map((listener) => new Promise((resolve) => listener.close(resolve))));
  return ports;
}

function accepts(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    socket.once("connect", () => (socket.destroy(), resolve(true)));
    socket.once("error", () => resolve(false));
  });
}

/** All programs of a run. */
export class Programs {
  #running = new Set();
  #options;

  /** `options`: `{gateway, work, consoleServer}`: paths, and the command that serves the page, if the gateway does not. */
  constructor(options) {
    this.#options = options;
    this.logs = path.join(options.work, "logs");
    rmSync(this.logs, { recursive: true, force: true });
    mkdirSync(this.logs, { recursive: true });
  }

  /** Starts broker, gateway and back end. `identities`: of the charge points that may connect. */
  async start(identities) {
    const [broker, ocpp, modern, admin, page] = await freePorts(5);
    this.ports = { broker, ocpp, modern, admin, page: this.#options.consoleServer ? page : admin };
    this.charge_points = `ws://127.0.0.1:${ocpp}/ocpp`;
    /** The other listener, for newer versions of OCPP. */
    this.modern_charge_points = `ws://127.0.0.1:${modern}/ocpp`;
    this.page = `http://127.0.0.1:${this.ports.page}`;
    writeFileSync(path.join(this.logs, "mosquitto.conf"), `listener ${broker} 127.0.0.1\nallow_anonymous true\npersistence false\n`);
    this.configuration = this.#configure(identities);
    await this.#spawn("mosquitto", ["mosquitto", "-c", path.join(this.logs, "mosquitto.conf")], broker);
    await this.startGateway();
    this.backEnd = this.fork("back_end.mjs", [`mqtt://127.0.0.1:${broker}`]);
    await answer(this.backEnd, "ready");
  }

  #configure(identities) {
    const folder = path.join(this.#options.work, "gateway");
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    mkdirSync(path.join(folder, DROP_INS));
    writeFileSync(path.join(folder, "identities"), identities.map((identity) => `${identity}\n`).join(""));
    const { ocpp, modern, broker, admin } = this.ports;
    // A server in front of the gateway tells the tokens apart by itself, and passes requests on with the first.
    const viewer = this.#options.consoleServer ? "" : `viewer_token = "${VIEWER_TOKEN}"\n`;
    const file = path.join(folder, "gateway.toml");
    writeFileSync(
      file,
      `[ocpp]\nlisten = "127.0.0.1:${ocpp}"\nidentities = "identities"\ncall_timeout = "10s"\n
[mqtt]\nurl = "mqtt://127.0.0.1:${broker}"\n
[admin]\nlisten = "127.0.0.1:${admin}"\ntoken = "${ADMIN_TOKEN}"\n${viewer}
[storage]\ndirectory = "storage"\n
[[listeners]]\nname = "modern"\nlisten = "127.0.0.1:${modern}"\nidentities = "identities"\nversions = ["ocpp2.0.1"]
default_version = "ocpp2.0.1"\n
[drop_in]\ndirectory = "${DROP_INS}"\n
[[transforms]]\nname = "quirk"\ncomponent = "builtin:jq"\nconfig.program = '''\n${QUIRK}'''\n
[[transforms]]\nname = "standard"\ncomponent = "builtin:standard"\n`,
    );
    return file;
  }

  /** Starts the gateway, with compiled components from earlier runs, and what serves the page; on the same ports as before. */
  async startGateway() {
    this.gateway = await this.#spawn("gateway", [this.#options.gateway, "--config", this.configuration], this.ports.admin);
    const server = this.#options.consoleServer;
    if (server) {
      const command = [...server.split(" "), String(this.ports.page), String(this.ports.admin)];
      this.server = await this.#spawn("console-server", command, this.ports.page);
    }
    await until("the gateway is ready", async () => (await this.api("/readyz")).status === 200, START_WITHIN);
  }

  /** Ends the gateway at once, as a crash would. */
  async killGateway() {
    await Promise.all([this.server, this.gateway].filter(Boolean).map((process) => this.#end(process, "SIGKILL")));
  }

  /** A request to the gateway itself, not to what serves the page. */
  api(route, options = {}) {
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, ...options.headers };
    return fetch(`http://127.0.0.1:${this.ports.admin}${route}`, { ...options, headers });
  }

  /** One of the programs that stand beside this one, which talks in messages. */
  fork(file, parameters) {
    const child = fork(path.join(import.meta.dirname, file), parameters, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    this.#follow(child, file);
    return child;
  }

  async #spawn(name, [program, ...parameters], port) {
    const log = path.join(this.logs, `${name}.log`);
    const output = openSync(log, "a");
    const plain = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith("OCPP_GATEWAY")));
    const env = { ...plain, CACHE_DIRECTORY: path.join(this.#options.work, "cache") };
    const child = spawn(program, parameters, { stdio: ["ignore", output, output], env });
    closeSync(output);
    this.#follow(child, name);
    await until(`${name} listens`, async () => {
      if (child.failed) throw child.failed;
      if (child.exitCode !== null) throw new Error(`${name} has ended with ${child.exitCode}: ${readFileSync(log, "utf8").slice(-2000)}`);
      return accepts(port);
    }, START_WITHIN);
    return child;
  }

  #follow(child, name) {
    child.name = name;
    this.#running.add(child);
    child.once("exit", () => this.#running.delete(child));
    child.once("error", (error) => (this.#running.delete(child), (child.failed = error)));
  }

  async #end(child, signal = "SIGTERM") {
    if (!this.#running.has(child)) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    const last = setTimeout(() => child.kill("SIGKILL"), STOP_WITHIN);
    await ended;
    clearTimeout(last);
  }

  /** Ends everything. The gateway need not end in good order: what it shows is looked at before. */
  async stop() {
    await Promise.all([...this.#running].map((child) => this.#end(child, child === this.gateway ? "SIGKILL" : "SIGTERM")));
  }

  /** As `stop`, at once: for the end of this process. */
  kill() {
    for (const child of this.#running) child.kill("SIGKILL");
  }
}

/** The next message of this kind from a forked program. */
export function answer(child, kind) {
  return new Promise((resolve, reject) => {
    const ended = (code) => reject(new Error(`${child.name} has ended with ${code}`));
    const heard = (message) => {
      if (message.kind !== kind) return;
      child.off("message", heard);
      child.off("exit", ended);
      resolve(message);
    };
    child.on("message", heard);
    child.once("exit", ended);
  });
}
