// How the pipeline does, as the publisher sees it, with the last hop measured here.
import { ask } from "./door.js";
import { ratePlot } from "./charts.js";
import { lots, span } from "./numbers.js";

const SAMPLES_MAX = 150;
const NAMES = {
  exchange_to_ingest: "exchange → ingest", ingest_to_enriched: "ingest → enriched",
  ingest_to_publisher: "ingest → publisher",
};

export class Health {
  constructor(find) {
    this.body = find("health").tBodies[0];
    this.note = find("health-note"); this.rateNote = find("rate-note");
    this.plot = ratePlot(find("rate"));
    this.times = []; this.rates = []; this.ages = [];
    this.ahead_us = 0;
  }

  // Our clock against the publisher's; half a round trip is left in it.
  heard(serverTimeUs) { this.ahead_us = Date.now() * 1000 - serverTimeUs; }

  arrived(receivedAtUs) {
    this.ages.push(Math.max(0, (Date.now() * 1000 - this.ahead_us - receivedAtUs) / 1e6));
    if (this.ages.length > 50) this.ages.shift();
  }

  async look() {
    const { data } = await ask("/v1/vitals");
    this.times.push(data.at_us / 1e6);
    this.rates.push(data.records_per_s);
    if (this.times.length > SAMPLES_MAX) { this.times.shift(); this.rates.shift(); }
    this.plot.show([this.times, this.rates]);
    this.rateNote.textContent = `${lots(data.records_per_s)} records a second`;
    const hops = data.hops.map((hop) => [NAMES[hop.hop], hop.mean_s, hop.worst_s]);
    const mean = this.ages.length ? this.ages.reduce((a, b) => a + b) / this.ages.length : NaN;
    hops.push(["ingest → this page", mean, this.ages.length ? Math.max(...this.ages) : NaN]);
    this.body.replaceChildren(...hops.map((hop) => this.row(hop)));
    const oldest = data.shards.length ? Math.max(...data.shards.map((each) => each.age_s)) : NaN;
    this.note.textContent = [
      data.upstream ? "streams answer" : "streams are away",
      `lag: newest entry of the slowest shard ${span(oldest)} old`,
      `${data.shards.length} shards`, `${lots(data.instruments)} instruments`,
      `${data.subscribers} ${data.subscribers === 1 ? "subscriber" : "subscribers"}`,
    ].join(" · ");
    this.note.classList.toggle("bad", !data.upstream || oldest > 10);
  }

  row([name, mean, worst]) {
    const row = document.createElement("tr");
    for (const text of [name, span(mean === null ? NaN : mean), span(worst === null ? NaN : worst)]) {
      const cell = document.createElement("td");
      cell.textContent = text;
      row.append(cell);
    }
    return row;
  }
}
