// The curve that enrich has fitted through a chain's volatilities, as the chain's messages carry it.
const POINTS = 80;

export class Fit {
  constructor() { this.forget(); }

  forget() { this.name = ""; this.smile = null; this.figures = null; }

  // Figures and smile are complete in every message, whole chain or not.
  take(message) {
    if (message.name !== this.name) return;
    this.smile = message.chain.smile;
    this.figures = message.chain.figures;
  }

  // Volatility at a strike, NaN where there is no curve. See docs/chains.md, Smile.
  at(strike) {
    const { kind, parameters } = this.smile || {};
    const { forward, time_to_expiry: years } = this.figures || {};
    if (!(forward > 0) || !(years > 0)) return NaN;
    const k = Math.log(strike / forward);
    if (kind === "svi") {
      const [a, b, rho, m, sigma] = parameters;
      return Math.sqrt((a + b * (rho * (k - m) + Math.hypot(k - m, sigma))) / years);
    }
    if (kind === "quadratic") return parameters[0] + k * (parameters[1] + k * parameters[2]);
    return NaN;
  }

  // Strikes to draw it at, those that have a row among them.
  grid(strikes) {
    if (!this.smile || this.smile.kind === "none" || strikes.length < 2) return strikes;
    const low = strikes[0], step = (strikes[strikes.length - 1] - low) / POINTS;
    const between = Array.from({ length: POINTS }, (_, place) => low + place * step);
    return [...new Set([...strikes, ...between])].sort((a, b) => a - b);
  }
}
