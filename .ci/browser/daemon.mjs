// A daemon for the suite: its own directory, its own port, and the API to it.
import { spawn, execFileSync } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import net from "node:net";
import path from "node:path";

const freePort = () => new Promise((done) => {
  const s = net.createServer().listen(0, "127.0.0.1", () => {
    const { port } = s.address();
    s.close(() => done(port));
  });
});

export class Daemon {
  static async start({ ten, work, routing = "" }) {
    const d = new Daemon();
    d.ten = ten;
    d.dir = fs.mkdtempSync(path.join(work, "d"));
    d.port = await freePort();
    d.config = path.join(d.dir, "tenement.toml");
    const app = JSON.stringify(path.join(work, "app.mjs")), node = JSON.stringify(process.execPath);
    fs.writeFileSync(d.config, `[settings]
data_dir = "${d.dir}/data"
run_dir = "${d.dir}/run"
bind = "127.0.0.1"
backoff_base_ms = 50
max_restarts = 1
circuit_cooldown = 3600
${routing}
[service.notes]
command = ${node}
args = [${app}]
isolation = "process"
listen = "tcp"
idle_timeout = 600
storage_quota_mb = 64
[service.shop]
command = ${node}
args = [${app}]
isolation = "process"
listen = "tcp"
idle_timeout = 600
[service.shop.release.spring]
env = { SEASON = "spring" }
[service.shop.release.faulty]
args = [${app}, "broken"]
[service.broken]
command = ${node}
args = [${app}, "broken"]
isolation = "process"
listen = "tcp"
idle_timeout = 600
`);
    await d.serve();
    return d;
  }

  async serve() {
    this.log = fs.openSync(path.join(this.dir, "log"), "a");
    this.process = spawn(this.ten, ["--config", this.config, "serve", "-p", String(this.port), "-d", "tenement.localhost"], { stdio: ["ignore", this.log, this.log] });
    this.ended = new Promise((done) => this.process.once("exit", done));
    process.once("exit", () => this.process.kill("SIGTERM")); // nobody outlives the suite
    for (const end = Date.now() + 60000; ;) {
      if ((await this.raw("GET", "/health").catch(() => ({}))).status === 200) break;
      if (Date.now() > end || this.process.exitCode !== null) throw new Error("the daemon did not start:\n" + fs.readFileSync(path.join(this.dir, "log"), "utf8"));
      await new Promise((f) => setTimeout(f, 100));
    }
    this.token = fs.readFileSync(path.join(this.dir, "data", "api_token"), "utf8").trim();
  }

  raw(method, target, body, headers = {}) {
    return new Promise((done, fail) => {
      const request = http.request({ host: "127.0.0.1", port: this.port, method, path: target, headers: { host: "tenement.localhost", ...headers }, timeout: 60000 }, (answer) => {
        let text = "";
        answer.setEncoding("utf8").on("data", (c) => { text += c; }).on("end", () => done({ status: answer.statusCode, headers: answer.headers, text }));
      });
      request.on("error", fail);
      request.end(body);
    });
  }

  async api(method, target, body) {
    const answer = await this.raw(method, target, body === undefined ? undefined : JSON.stringify(body), { authorization: "Bearer " + this.token });
    if (answer.status > 299) throw Object.assign(new Error(`${method} ${target}: ${answer.status} ${answer.text}`), { status: answer.status });
    return answer.text ? JSON.parse(answer.text) : null;
  }

  // visit asks a tenant something.
  visit(id, target) {
    const [service, name] = id.split(":");
    return this.raw("GET", target, undefined, { host: `${name}.${service}.tenement.localhost` });
  }

  command(...args) { return execFileSync(this.ten, ["--config", this.config, ...args], { encoding: "utf8" }); }

  async stop() {
    if (this.process.exitCode === null) this.process.kill("SIGTERM");
    await this.ended;
    fs.closeSync(this.log);
  }
}
