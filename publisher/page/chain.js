// The option chain as a table: a row per strike, calls left, puts right.
import { greek, lots, percent, price, tiny } from "./numbers.js";

const first = (levels) => (Array.isArray(levels) && levels[0] > 0 ? levels[0] : NaN);
const number = (value) => (value === null || value === undefined ? NaN : value);

// Name, whether only shown with all Greeks, whether left out on narrow screens, text of a tick.
const COLUMNS = [
  ["OI", "wide", (t) => lots(number(t.oi))],
  ["Vega", "more wide", (t) => greek(number(t.vega_per_vol_point))],
  ["Theta", "more wide", (t) => greek(number(t.theta_per_day))],
  ["Gamma", "more wide", (t) => tiny(number(t.gamma))],
  ["Delta", "wide", (t) => greek(number(t.delta))],
  ["IV", "", (t) => percent(number(t.implied_vol))],
  ["Bid", "", (t) => price(first(t.bid_price))],
  ["Ask", "", (t) => price(first(t.ask_price))],
];
const DETAILS = [
  ["Last", (t) => price(number(t.last_price))], ["Bid", (t) => price(first(t.bid_price))],
  ["Ask", (t) => price(first(t.ask_price))], ["IV", (t) => percent(number(t.implied_vol))],
  ["Delta", (t) => greek(number(t.delta))], ["Gamma", (t) => tiny(number(t.gamma))],
  ["Theta a day", (t) => greek(number(t.theta_per_day))],
  ["Vega a point", (t) => greek(number(t.vega_per_vol_point))],
  ["Rho a percent", (t) => greek(number(t.rho_per_percent))],
  ["Open interest", (t) => lots(number(t.oi))], ["Volume", (t) => lots(number(t.volume_traded))],
  ["Status", (t) => (t.status === undefined ? "–" : String(t.status))],
];

function cell(tag, text, name = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (name) made.className = name;
  return made;
}

export class Chain {
  constructor(table, detail) {
    this.table = table; this.detail = detail;
    this.head = table.tHead; this.body = table.tBodies[0];
    this.rows = []; this.chosen = null; this.ticks = new Map();
    this.body.addEventListener("keydown", (event) => this.move(event));
    this.body.addEventListener("click", (event) => {
      const row = event.target.closest("tr");
      if (row) this.choose(Number(row.dataset.strike));
    });
    this.drawHead();
  }

  drawHead() {
    const names = document.createElement("tr");
    const left = COLUMNS, right = [...COLUMNS].reverse();
    for (const [name, classes] of left) names.append(this.heading(name, classes));
    names.append(this.heading("Strike", ""));
    for (const [name, classes] of right) names.append(this.heading(name, classes));
    this.head.replaceChildren(names);
  }

  heading(name, classes) {
    const made = cell("th", name, classes);
    made.scope = "col";
    return made;
  }

  // `strikes`: [{strike, call, put}] with the tokens; the rows stay until it is called again.
  lay(strikes) {
    this.chosen = null; this.detail.hidden = true;
    this.rows = strikes.map(({ strike, call, put }) => {
      const row = document.createElement("tr");
      row.dataset.strike = strike;
      row.tabIndex = -1;
      const sides = [[], []];
      for (const [, classes] of COLUMNS) sides[0].push(cell("td", "–", classes));
      for (const [, classes] of COLUMNS) sides[1].push(cell("td", "–", classes));
      const name = cell("th", price(strike).replace(/\.00$/, ""));
      name.scope = "row";
      row.append(...sides[0], name, ...[...sides[1]].reverse());
      return { row, strike, call, put, sides };
    });
    if (this.rows.length) this.rows[0].row.tabIndex = 0;
    this.body.replaceChildren(...this.rows.map((each) => each.row));
  }

  draw(ticks, forward) {
    this.ticks = ticks;
    let nearest = null;
    for (const each of this.rows) {
      [each.call, each.put].forEach((token, side) => {
        const tick = ticks.get(token);
        if (!tick) return;
        COLUMNS.forEach(([, , text], place) => {
          const shown = text(tick), target = each.sides[side][place];
          if (target.textContent !== shown) target.textContent = shown;
        });
      });
      const away = Math.abs(each.strike - forward);
      if (Number.isFinite(away) && (!nearest || away < nearest.away)) nearest = { away, each };
    }
    for (const each of this.rows) {
      each.row.dataset.money = nearest && nearest.each === each ? "yes" : "no";
    }
    if (this.chosen !== null) this.drawDetail();
    return nearest ? nearest.each : null;
  }

  move(event) {
    const row = event.target.closest("tr");
    const place = this.rows.findIndex((each) => each.row === row);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 5, PageUp: -5, Home: -1e6, End: 1e6 };
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.choose(this.rows[place].strike);
    } else if (event.key === "Escape") {
      this.choose(null);
    } else if (event.key in steps) {
      event.preventDefault();
      const next = Math.max(0, Math.min(this.rows.length - 1, place + steps[event.key]));
      this.rows[place].row.tabIndex = -1;
      this.rows[next].row.tabIndex = 0;
      this.rows[next].row.focus();
    }
  }

  choose(strike) {
    this.chosen = strike === this.chosen ? null : strike;
    for (const each of this.rows) {
      each.row.setAttribute("aria-selected", String(each.strike === this.chosen));
    }
    this.detail.hidden = this.chosen === null;
    if (this.chosen !== null) this.drawDetail();
  }

  drawDetail() {
    const found = this.rows.find((each) => each.strike === this.chosen);
    const list = document.createElement("dl");
    list.append(cell("dt", `Strike ${price(found.strike)}`), cell("dd", "Call"), cell("dd", "Put"));
    const sides = [found.call, found.put].map((token) => this.ticks.get(token) || {});
    for (const [name, text] of DETAILS) {
      list.append(cell("dt", name), cell("dd", text(sides[0])), cell("dd", text(sides[1])));
    }
    this.detail.replaceChildren(list);
  }
}
