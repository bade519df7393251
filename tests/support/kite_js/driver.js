// Drives the official JavaScript ticker: one JSON line per callback until stopped.
const { KiteTicker } = require("kiteconnect");

const [root, apiKey, accessToken, tokenText] = process.argv.slice(2);
const tokens = JSON.parse(tokenText);
const say = (kind, facts) => process.stdout.write(JSON.stringify({ kind, ...facts }) + "\n");

const ticker = new KiteTicker({
  api_key: apiKey,
  access_token: accessToken,
  root,
  reconnect: false,
});
ticker.on("connect", () => {
  say("connect", {});
  ticker.subscribe(tokens);
  ticker.setMode(ticker.modeFull, tokens.slice(0, -1));
});
ticker.on("ticks", (ticks) => say("ticks", { ticks }));
ticker.on("order_update", (order) => say("order", { order }));
ticker.on("error", (error) => say("error", { reason: String(error && error.message) }));
ticker.on("disconnect", (error) => say("close", { reason: String(error && error.message) }));
ticker.connect();
