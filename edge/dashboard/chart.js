// Charts by uPlot. Colours come from the style sheet, so that a change of theme
// draws them anew.
import { h, put, say } from "./dom.js";

const shown = new Set();

// colour gives what a custom property of the style sheet is now.
function colour(name) {
  const probe = h("span." + name);
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

const faint = (rgb) => rgb.replace(/^rgb\(/, "rgba(").replace(/\)$/, ", 0.14)");

export function redraw() {
  for (const chart of shown) chart.draw();
}

// chart shows series over time: lines is [{label, bars}], text writes a value.
// The caption's last words are the newest values, for those who see no canvas.
export function chart(title, lines, text, options = {}) {
  const latest = h("span.latest"), plot = h("div.plot");
  const figure = h("figure.chart", { "aria-label": title, role: "group" }, h("figcaption", {}, h("b", {}, title), latest), plot);
  let data = [[], ...lines.map(() => [])], drawn = null;

  function build() {
    const ink = colour("ink-muted"), grid = colour("ink-grid"), font = "11px " + getComputedStyle(document.body).fontFamily;
    const axis = { stroke: ink, font, grid: { stroke: grid, width: 1 }, ticks: { show: false } };
    drawn = new uPlot({
      width: Math.max(plot.clientWidth, 200), height: options.height || 140,
      cursor: { y: false, points: { size: 5 }, drag: { setScale: false, x: false, y: false } },
      legend: { live: true },
      scales: { x: { time: true }, y: { range: (u, low, high) => [0, Math.max(high || 0, options.least || 1) * 1.08] } },
      axes: [{ ...axis, size: 24, gap: 4, values: (u, at) => at.map((s) => clockAxis(s, at)) },
        { ...axis, size: 62, gap: 6, space: 28, values: (u, at) => at.map((v) => text(v)) }],
      series: [{ value: (u, s) => (s === null ? "" : new Date(s * 1000).toTimeString().slice(0, 8)) }, ...lines.map((line, i) => {
        const stroke = colour("ink-" + (line.ink || i + 1));
        return {
          label: line.label, stroke, width: line.bars ? 0 : 1.5, fill: line.bars ? stroke : line.fill ? faint(stroke) : undefined,
          paths: line.bars ? uPlot.paths.bars({ size: [0.75, 40] }) : undefined, points: { show: false },
          value: (u, v) => (v === null || v === undefined ? "" : text(v)), spanGaps: false,
        };
      })],
    }, data, plot);
  }

  const self = {
    el: figure,
    // set takes the times in seconds and one list of values a line.
    set(times, ...values) {
      data = [times, ...values];
      const newest = lines.map((line, i) => [line.label, values[i].at(-1)]).filter(([, v]) => v !== null && v !== undefined);
      say(latest, options.quiet ? "" : newest.map(([label, v]) => (lines.length > 1 ? label + " " : "") + text(v)).join("  \u00b7  "));
      if (drawn) drawn.setData(data);
      else if (plot.isConnected && plot.clientWidth) build();
    },
    draw() {
      if (drawn) drawn.destroy();
      put(plot);
      build();
    },
    end() {
      shown.delete(self);
      watch.disconnect();
      if (drawn) drawn.destroy();
    },
  };
  const watch = new ResizeObserver(() => {
    if (!plot.clientWidth) return;
    if (drawn) drawn.setSize({ width: plot.clientWidth, height: options.height || 140 });
    else build();
  });
  watch.observe(plot);
  shown.add(self);
  return self;
}

function clockAxis(s, all) {
  const text = new Date(s * 1000).toTimeString();
  return all.length > 1 && all[1] - all[0] < 60 ? text.slice(0, 8) : text.slice(0, 5);
}

// Series keeps the newest points of what is polled. Time that nobody looked is a gap.
export class Series {
  constructor(lines, keep = 400) {
    this.times = [];
    this.values = Array.from({ length: lines }, () => []);
    this.keep = keep;
  }
  add(ms, ...values) {
    const at = ms / 1000, last = this.times.at(-1);
    if (last !== undefined && at <= last) return;
    if (last !== undefined && at - last > 15) this.push(last + 1, values.map(() => null));
    this.push(at, values);
  }
  push(at, values) {
    this.times.push(at);
    values.forEach((v, i) => this.values[i].push(v));
    while (this.times.length > this.keep) [this.times, ...this.values].forEach((list) => list.shift());
  }
  show(chart) { chart.set(this.times, ...this.values); }
}

// Rate turns a counter into a rate: per second between two looks, null at first
// and when it has begun anew.
export class Rate {
  next(value, at) {
    const before = this.last;
    this.last = { value, at };
    if (value === null || value === undefined || !before || before.value === null || before.value === undefined || value < before.value || at <= before.at) return null;
    return (value - before.value) / (at - before.at);
  }
}
