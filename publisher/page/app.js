// The page: who is there, which chain, what moves.
import { Chain } from "./chain.js";
import { interestPlot, smilePlot } from "./charts.js";
import { ask, every, key, Refused, Stream } from "./door.js";
import { Fit } from "./fit.js";
import { Health } from "./health.js";
import { lots, percent, price } from "./numbers.js";
import { Orders } from "./orders.js";

const find = (id) => document.getElementById(id);
const DRAW_MS = 500;
const LOOK_MS = 2000;
const THEMES = ["system", "light", "dark"];

const chain = new Chain(find("chain"), find("detail"));
const smile = smilePlot(find("smile"));
const interest = interestPlot(find("oi"));
const orders = new Orders(find);
const health = new Health(find);
const fit = new Fit();
const ticks = new Map();
let me = null, listed = [], strikes = [], spot = 0, subscribed = [], isStale = true, isCentred = false;

const stream = new Stream({
  said: (message) => {
    if (message.op === "ticks" || message.op === "snapshot") {
      for (const tick of message.ticks) ticks.set(tick.instrument_token, tick);
      isStale = true;
      if (message.op === "ticks" && message.ticks.length) {
        health.arrived(Math.max(...message.ticks.map((tick) => tick.received_at_us)));
      }
    } else if (message.op === "chain") {
      fit.take(message);
      isStale = true;
    } else if (message.op === "order") orders.add(message.account, message.event);
    else if (message.op === "heartbeat") health.heard(message.server_time_us);
  },
  state: (name, facts) => {
    const words = { live: `live as ${facts.name}`, away: `away: ${facts.reason}`, out: "not connected" };
    find("status").textContent = words[name];
    find("status").dataset.state = name === "live" ? "live" : "away";
    if (name === "live") {
      health.heard(facts.server_time_us);
      subscribed = [];
      fit.forget();
      subscribe();
    } else if (name === "out") leave(facts.reason);
  },
});

async function enter() {
  find("door-error").textContent = "";
  try {
    me = (await ask("/v1/me")).data;
    const shards = (await ask("/v1/shards")).data;
    const names = Object.keys(shards.underlyings).sort();
    fill(find("underlying"), names.length ? names : ["NIFTY"], sessionStorage.getItem("underlying"));
    await list();
  } catch (error) {
    const isKey = error instanceof Refused && error.status === 401;
    leave(isKey ? "This key opens nothing here." : `It did not work: ${error.message}`);
    return;
  }
  find("door").hidden = true;
  for (const id of ["desk", "choices", "leave"]) find(id).hidden = false;
  if (!me.reads_accounts.length) find("orders-note").textContent = "This key reads no account's orders.";
  stream.open();
  look();
  pick();
  recall();
}

function leave(reason) {
  stream.close();
  key.forget();
  ticks.clear();
  for (const id of ["desk", "choices", "leave"]) find(id).hidden = true;
  find("door").hidden = false;
  find("door-error").textContent = reason || "";
  find("status").textContent = "not connected";
  find("status").dataset.state = "away";
  find("key").focus();
}

function fill(select, values, chosen) {
  select.replaceChildren(...values.map((value) => {
    const option = document.createElement("option");
    option.value = option.textContent = value;
    return option;
  }));
  if (chosen && values.includes(chosen)) select.value = chosen;
}

// Reads the underlying's options; the expiries are those that have some.
async function list() {
  const name = encodeURIComponent(find("underlying").value);
  const found = await Promise.all(["call", "put"].map((kind) =>
    every(`/v1/instruments?underlying=${name}&kind=${kind}`)));
  listed = found.flat();
  const expiries = [...new Set(listed.map((each) => each.expiry))].sort();
  fill(find("expiry"), expiries, sessionStorage.getItem("expiry"));
}

// Lays out the strikes of the chosen expiry, as many as are asked for around the money.
function pick() {
  sessionStorage.setItem("underlying", find("underlying").value);
  sessionStorage.setItem("expiry", find("expiry").value);
  const rows = new Map();
  for (const each of listed) {
    if (each.expiry !== find("expiry").value) continue;
    const row = rows.get(each.strike) || { strike: each.strike };
    row[each.kind] = each.instrument_token;
    rows.set(each.strike, row);
    spot = each.underlying_token;
  }
  isCentred = false;
  strikes = [...rows.values()].sort((a, b) => a.strike - b.strike);
  chain.lay([]);
  subscribe();
  layOut();
}

function layOut() {
  const each = Number(find("strikes").value), at = money();
  let shown = strikes;
  isCentred = Number.isFinite(at);
  if (each && strikes.length && isCentred) {
    const middle = strikes.findIndex((row) => row.strike >= at);
    const centre = middle < 0 ? strikes.length - 1 : middle;
    shown = strikes.slice(Math.max(0, centre - each), centre + each + 1);
  }
  chain.lay(shown);
  isStale = true;
  draw();
}

// The forward as the options' own records have it, else the underlying's price.
function money() {
  for (const { call, put } of strikes) {
    for (const token of [call, put]) {
      const forward = ticks.get(token)?.forward;
      if (Number.isFinite(forward) && forward > 0) return forward;
    }
  }
  return ticks.get(spot)?.last_price ?? NaN;
}

function subscribe() {
  const wanted = strikes.flatMap(({ call, put }) => [call, put]).filter(Boolean);
  if (spot) wanted.push(spot);
  const gone = subscribed.filter((token) => !wanted.includes(token));
  if (gone.length) stream.say({ op: "unsubscribe", ticks: { tokens: gone } });
  subscribed = wanted;
  const name = `${find("underlying").value}:${find("expiry").value}`;
  if (fit.name && fit.name !== name) stream.say({ op: "unsubscribe", chains: [fit.name] });
  if (fit.name !== name) fit.forget();
  fit.name = name;
  stream.say({
    op: "subscribe", ticks: { tokens: wanted, mode: "full" }, orders: me ? me.reads_accounts : [],
    chains: find("expiry").value ? [name] : [],
    policy: { mode: "conflate", min_interval_ms: DRAW_MS },
  });
}

function draw() {
  if (!isStale || find("desk").hidden) return;
  isStale = false;
  const forward = money();
  // Laid out before the first price was known: now there is a middle.
  if (Number.isFinite(forward) && !isCentred && strikes.length) { layOut(); return; }
  const nearest = chain.draw(ticks, forward);
  const x = chain.rows.map((row) => row.strike);
  const of = (side, read) => chain.rows.map((row) => read(ticks.get(row[side])) ?? null);
  const vol = (tick) => (tick && Number.isFinite(tick.implied_vol) ? tick.implied_vol * 100 : null);
  showSmile(x, of("call", vol), of("put", vol));
  interest.show([x, of("call", (tick) => tick?.oi), of("put", (tick) => tick?.oi)]);
  tell(forward, nearest);
}

// The chain's volatilities as points, the curve fitted through them as a line.
function showSmile(x, calls, puts) {
  const grid = fit.grid(x), place = new Map(x.map((strike, index) => [strike, index]));
  const spread = (values) => grid.map((strike) => values[place.get(strike)] ?? null);
  const fitted = grid.map((strike) => {
    const vol = fit.at(strike) * 100;
    return Number.isFinite(vol) ? vol : null;
  });
  smile.show([grid, spread(calls), spread(puts), fitted]);
}

function tell(forward, nearest) {
  const last = ticks.get(spot)?.last_price;
  const total = (side) => chain.rows.reduce((sum, row) => sum + (ticks.get(row[side])?.oi || 0), 0);
  const calls = total("call"), puts = total("put");
  const vol = nearest ? ticks.get(nearest.call)?.implied_vol ?? ticks.get(nearest.put)?.implied_vol : NaN;
  find("summary").textContent =
    `${find("underlying").value} ${price(last)} · forward ${price(forward)} · ` +
    `${chain.rows.length} of ${strikes.length} strikes`;
  const figures = fit.figures;
  find("figures").textContent = figures
    ? `At the money ${percent(figures.atm_vol ?? NaN)} · straddle ${price(figures.straddle)} · ` +
      `skew at 25 delta ${percent(figures.skew_25_delta ?? NaN)} · max pain ${price(figures.max_pain)} · ` +
      `put/call ${figures.pcr_oi?.toFixed(2) ?? "–"}` : "";
  const curve = { svi: "SVI", quadratic: "a quadratic" }[fit.smile?.kind];
  const fitted = curve ? `; line: ${curve} through ${fit.smile.points} volatilities` : "; no curve fitted";
  find("smile-note").textContent = nearest
    ? `At the money, strike ${price(nearest.strike)}: ${percent(vol)} a year${fitted}` : "";
  find("oi-note").textContent =
    `Of the strikes shown: calls ${lots(calls)}, puts ${lots(puts)}; put/call ${calls ? (puts / calls).toFixed(2) : "–"}`;
}

// The last events of each account, so that the list does not begin empty.
async function recall() {
  if (!me.has_journal) return;
  for (const account of me.reads_accounts) {
    try {
      const from = Math.max(-1, (await ask("/v1/vitals")).data.order_sequences[account] - 20);
      const { data } = await ask(`/v1/events?account=${account}&after=${from}&limit=20`);
      for (const event of data) orders.add(account, event);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
    }
  }
}

// Asks how the pipeline does; while nobody answers, what was told last stays.
function look() {
  if (find("desk").hidden || document.hidden) return;
  health.look().catch((error) => {
    if (!(error instanceof Refused) && !(error instanceof TypeError)) throw error;
  });
}

function theme(name) {
  sessionStorage.setItem("theme", name);
  if (name === "system") document.documentElement.removeAttribute("data-theme");
  else document.documentElement.dataset.theme = name;
  find("theme").textContent = `Theme: ${name}`;
  for (const plot of [smile, interest, health.plot]) plot.repaint();
}

find("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  key.set(find("key").value.trim());
  find("key").value = "";
  enter();
});
find("leave").addEventListener("click", () => leave(""));
find("underlying").addEventListener("change", async () => { await list(); pick(); });
find("expiry").addEventListener("change", pick);
find("strikes").addEventListener("change", layOut);
find("greeks").addEventListener("change", (event) => {
  for (const id of ["chain", "desk"]) find(id).classList.toggle("greeks", event.target.checked);
});
find("theme").addEventListener("click", () =>
  theme(THEMES[(THEMES.indexOf(sessionStorage.getItem("theme") || "system") + 1) % THEMES.length]));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
  theme(sessionStorage.getItem("theme") || "system"));
setInterval(draw, DRAW_MS);
setInterval(look, LOOK_MS);
theme(sessionStorage.getItem("theme") || "system");
if (key.get()) enter();
else find("key").focus();
