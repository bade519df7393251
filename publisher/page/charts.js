// The charts, drawn by uPlot (vendor/); colours are those of the style sheet.
import { lots, clock, whole } from "./numbers.js";

const shade = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

class Plot {
  constructor(place, options, hasLegend = true) {
    this.place = place; this.options = options; this.hasLegend = hasLegend; this.data = null; this.chart = null;
    this.watch = new ResizeObserver(() => this.fit());
    this.watch.observe(place);
  }

  axis(extra) {
    return {
      stroke: shade("--faint"), grid: { stroke: shade("--line"), width: 1 },
      ticks: { stroke: shade("--line") }, ...extra,
    };
  }

  show(data) {
    this.data = data;
    if (this.chart) { this.chart.setData(data); return; }
    if (!this.place.clientWidth) return;
    const { width, height } = this.size();
    this.chart = new uPlot({ width, height, ...this.options(this) }, data, this.place);
    // How many lines the legend has is seen only once it is there, and changes with its width.
    if (this.hasLegend) this.watch.observe(this.legend());
  }

  legend() { return this.chart.root.querySelector(".u-legend"); }

  size() {
    // The legend stands below the plot, inside of the same box.
    const below = this.hasLegend && this.chart ? this.legend().offsetHeight : 0;
    return { width: this.place.clientWidth, height: Math.max(60, this.place.clientHeight - below) };
  }

  fit() {
    if (this.chart) this.chart.setSize(this.size());
    else if (this.data) this.show(this.data);
  }

  repaint() {
    if (this.chart) this.chart.destroy();
    this.chart = null;
    if (this.data) this.show(this.data);
  }
}

// Room for half a bar, or point, at either end.
const roomy = { time: false, range: (own, low, high) => {
  const room = (high - low || 1) * 0.05;
  return [low - room, high + room];
} };
const plain = (own, splits) => splits.map((value) => whole(value));

export const smilePlot = (place) => new Plot(place, (plot) => ({
  scales: { x: roomy },
  legend: { show: true },
  axes: [plot.axis({ values: plain }),
    plot.axis({ values: (own, splits) => splits.map((value) => `${value.toFixed(1)}%`), size: 56 })],
  series: [
    { label: "Strike" },
    // Points alone: the line between them is the fitted curve, where there is one.
    { label: "Calls %", stroke: shade("--call"), paths: () => null,
      points: { show: true, size: 6, fill: shade("--card") } },
    { label: "Puts %", stroke: shade("--put"), paths: () => null,
      points: { show: true, size: 6, fill: shade("--card") } },
    { label: "Fitted %", stroke: shade("--accent"), width: 1.5, points: { show: false } },
  ],
}));

export const interestPlot = (place) => new Plot(place, (plot) => ({
  scales: { x: roomy, y: { range: (own, low, high) => [0, (high || 1) * 1.05] } },
  axes: [plot.axis({ values: plain }),
    plot.axis({ values: (own, splits) => splits.map((value) => lots(value)), size: 64 })],
  series: [
    { label: "Strike" },
    { label: "Calls", stroke: shade("--call"), fill: shade("--call"), points: { show: false },
      paths: uPlot.paths.bars({ size: [0.4, 24], align: -1 }) },
    { label: "Puts", stroke: shade("--put"), fill: shade("--put"), points: { show: false },
      paths: uPlot.paths.bars({ size: [0.4, 24], align: 1 }) },
  ],
}));

export const ratePlot = (place) => new Plot(place, (plot) => ({
  legend: { show: false },
  scales: { y: { range: (own, low, high) => [0, (high || 1) * 1.1] } },
  axes: [
    plot.axis({ values: (own, splits) => splits.map((seconds) => clock(seconds * 1e6)), space: 80 }),
    plot.axis({ values: (own, splits) => splits.map((v) => lots(v)), size: 64 }),
  ],
  series: [{}, { label: "Records a second", stroke: shade("--accent"), width: 1.5,
    points: { show: false } }],
}), false);
