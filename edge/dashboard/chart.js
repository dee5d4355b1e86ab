// Charts by uPlot. Colours come from the style sheet, so that a change of theme
// draws them anew.
import { h, put, say, moment } from "./dom.js";

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

// chart shows series over time: lines is [{label, bars, fill, ink}], text writes a
// value. The caption is the key: with the values under the pointer, else the newest.
// options: height; least, the smallest range; span, the seconds that are in sight
// at least; steps, the distances of marks; history, the newest is no news.
export function chart(title, lines, text, options = {}) {
  const keys = lines.map((line, i) => h("span.key", {}, lines.length > 1 && h("span.swatch.ink-" + (line.ink || i + 1), { "aria-hidden": "true" }), lines.length > 1 && h("span", {}, line.label), h("b")));
  const at = h("span.at"), plot = h("div.plot");
  const figure = h("figure.chart", { "aria-label": title }, h("figcaption", {}, h("h2", {}, title), at, ...keys), plot);
  const height = options.height || 150;
  let data = [[], ...lines.map(() => [])], drawn = null;

  function caption() {
    const under = drawn && drawn.cursor.idx !== null && drawn.cursor.idx !== undefined ? drawn.cursor.idx : -1;
    const i = under >= 0 ? under : data[0].length - 1;
    say(at, under >= 0 ? moment(1000 * data[0][i]) : "");
    keys.forEach((key, n) => {
      const value = data[n + 1][i];
      say(key.lastChild, value === null || value === undefined || (options.history && under < 0) ? "" : text(value));
    });
  }

  function build() {
    const ink = colour("ink-muted"), grid = colour("ink-grid"), font = "11px " + getComputedStyle(document.body).fontFamily;
    const axis = { stroke: ink, font, grid: { stroke: grid, width: 1 }, ticks: { show: false } };
    drawn = new uPlot({
      width: Math.max(plot.clientWidth, 200), height, legend: { show: false }, padding: [8, 10, 0, 0],
      cursor: { y: false, points: { size: 5 }, drag: { setScale: false, x: false, y: false } },
      hooks: { setCursor: [caption] },
      scales: {
        x: { time: true, range: (u, low, high) => [options.span ? Math.min(low, high - options.span) : low, high] },
        y: { range: (u, low, high) => [0, Math.max(high || 0, options.least || 1) * 1.08] },
      },
      axes: [{ ...axis, size: 24, gap: 4, space: 74, values: (u, marks) => marks.map((s) => mark(s, marks)) },
        { ...axis, size: 62, gap: 6, space: 28, incrs: options.steps, values: (u, marks) => marks.map((v) => (v === 0 ? "0" : text(v))) }],
      series: [{}, ...lines.map((line, i) => {
        const stroke = colour("ink-" + (line.ink || i + 1));
        return {
          label: line.label, stroke, width: line.bars ? 0 : 1.5, fill: line.bars ? stroke : line.fill ? faint(stroke) : undefined,
          paths: line.bars ? uPlot.paths.bars({ size: [0.75, 40] }) : undefined,
          points: { show: !line.bars && Boolean(options.history), size: 4, fill: stroke },
        };
      })],
    }, data, plot);
  }

  const self = {
    el: figure,
    // set takes the times in seconds and one list of values a line.
    set(times, ...values) {
      data = [times, ...values];
      if (drawn) drawn.setData(data);
      else if (plot.isConnected && plot.clientWidth) build();
      caption();
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
    if (drawn) drawn.setSize({ width: plot.clientWidth, height });
    else build();
  });
  watch.observe(plot);
  plot.style.height = height + "px";
  shown.add(self);
  return self;
}

// mark writes a time under the chart, with seconds where marks are that close.
function mark(s, marks) {
  const text = new Date(s * 1000).toTimeString();
  return marks.length > 1 && marks[1] - marks[0] < 60 ? text.slice(0, 8) : text.slice(0, 5);
}

// powers are the distances of marks for bytes.
export const powers = Array.from({ length: 44 }, (_, i) => 2 ** i);

// Series keeps the newest points of what is polled. gap is the time, in seconds,
// without a look that a line does not cross.
export class Series {
  constructor(lines, gap = 130, keep = 2400) {
    this.times = [];
    this.values = Array.from({ length: lines }, () => []);
    [this.gap, this.keep] = [gap, keep];
  }
  add(ms, ...values) {
    const at = ms / 1000, last = this.times.at(-1);
    if (last !== undefined && at <= last) return;
    if (last !== undefined && at - last > this.gap) this.push(last + 1, values.map(() => null));
    this.push(at, values);
  }
  // seed puts what the daemon has kept before the points that are newer.
  seed(times, ...values) {
    const own = this.times.map((at, i) => [at, this.values.map((list) => list[i])]).filter(([at]) => !(at <= times.at(-1)));
    this.times = [];
    this.values.forEach((list) => { list.length = 0; });
    times.forEach((at, i) => this.add(1000 * at, ...values.map((list) => list[i])));
    own.forEach(([at, list]) => this.add(1000 * at, ...list));
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
