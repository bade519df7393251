// Order events as they come, newest first.
import { clock, price } from "./numbers.js";

const EVENTS_MAX = 100;
const BAD = new Set(["REFUSED", "REJECTED", "EXPIRED", "CONFLICT", "UNKNOWN", "MANUAL"]);

export class Orders {
  constructor(find) { this.body = find("orders").tBodies[0]; this.note = find("orders-note"); this.seen = new Set(); }

  add(account, event) {
    const name = `${account} ${event.sequence}`;
    if (this.seen.has(name)) return;
    this.seen.add(name);
    const what = [event.transaction_type, event.quantity || "", event.tradingsymbol];
    const filled = event.filled_quantity ? `filled ${event.filled_quantity}` : "";
    const average = Number(event.average_price) > 0 ? `at ${price(Number(event.average_price))}` : "";
    const reason = event.reason ? `${event.reason.code}: ${event.reason.sentence}` : event.broker_message;
    const row = document.createElement("tr");
    for (const text of [
      clock(event.at_us), account, `${event.kind} ${event.event}`, event.state,
      [...what, filled, average].filter(Boolean).join(" "), reason || "",
    ]) {
      const cell = document.createElement("td");
      cell.textContent = text;
      row.append(cell);
    }
    if (BAD.has(event.state)) row.cells[3].className = "bad";
    this.body.prepend(row);
    while (this.body.rows.length > EVENTS_MAX) this.body.lastElementChild.remove();
    this.note.textContent = "";
  }
}
