// The publisher as this page reaches it: one WebSocket, some requests, one key in this tab.
const KEY = "tickflow.key";
const RETRY_MS_MAX = 15000;

export const key = {
  get: () => sessionStorage.getItem(KEY),
  set: (text) => sessionStorage.setItem(KEY, text),
  forget: () => sessionStorage.removeItem(KEY),
};

export class Refused extends Error {
  constructor(status, code, message) { super(message); this.status = status; this.code = code; }
}

export async function ask(path) {
  const response = await fetch(path, { headers: { Authorization: `Bearer ${key.get()}` } });
  const body = await response.json();
  if (!response.ok) throw new Refused(response.status, body.error.code, body.error.message);
  return body;
}

export async function every(path) {
  const found = [];
  let cursor = null;
  do {
    const joint = path.includes("?") ? "&" : "?";
    const page = await ask(path + joint + "limit=200" + (cursor ? `&cursor=${cursor}` : ""));
    found.push(...page.data);
    cursor = page.next;
  } while (cursor && found.length < 20000);
  return found;
}

// Connects until it is told to stop. `said` gets every message; `state` gets live, away or out.
export class Stream {
  constructor({ said, state }) {
    this.said = said; this.state = state;
    this.tries = 0; this.socket = null; this.isWanted = false; this.timer = 0;
  }

  open() {
    this.isWanted = true;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/v1/stream`);
    this.socket = socket;
    socket.onopen = () => socket.send(JSON.stringify({ op: "auth", key: key.get() }));
    socket.onmessage = (event) => {
      const message = JSON.parse(event.data);
      if (message.op === "welcome") { this.tries = 0; this.state("live", message); }
      this.said(message);
    };
    socket.onclose = (event) => {
      if (this.socket !== socket) return;
      // 45xx: the same again would end the same way.
      if (!this.isWanted || (event.code >= 4500 && event.code < 4600)) {
        this.state("out", { reason: event.reason || "the connection was refused" });
        return;
      }
      const told = /after_ms=(\d+)/.exec(event.reason);
      const wait = told ? Number(told[1]) : Math.min(RETRY_MS_MAX, 500 * 2 ** this.tries);
      this.tries += 1;
      this.state("away", { reason: event.reason || "connection lost" });
      this.timer = setTimeout(() => this.open(), wait);
    };
  }

  say(message) {
    if (this.socket && this.socket.readyState === WebSocket.OPEN) {
      this.socket.send(JSON.stringify(message));
    }
  }

  close() {
    this.isWanted = false;
    clearTimeout(this.timer);
    if (this.socket) this.socket.close();
    this.socket = null;
  }
}
