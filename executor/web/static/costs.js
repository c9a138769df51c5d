// Draws the table of days as a chart: dollars as bars, builds as a line.
"use strict";
const place = document.querySelector("[data-series]");
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function options(width) {
  const grid = { stroke: style("--line"), width: 1 };
  const axis = { stroke: style("--soft"), grid, ticks: grid };
  return {
    width,
    height: 256,
    cursor: { drag: { x: false, y: false } },
    scales: { x: { time: true, range: [Number(place.dataset.from), Number(place.dataset.to)] }, usd: { range: (_, low, high) => [0, Math.max(1, high)] }, builds: { range: (_, low, high) => [0, Math.max(1, high)] } },
    axes: [
      { ...axis, values: (_, ticks) => ticks.map((at) => new Date(at * 1000).toISOString().slice(5, 10)) },
      { ...axis, scale: "usd", values: (_, ticks) => ticks.map((usd) => `$${usd}`) },
      { ...axis, scale: "builds", side: 1, grid: { show: false } },
    ],
    series: [
      { label: "Day", value: (_, at) => (at ? new Date(at * 1000).toISOString().slice(0, 10) : "—") },
      { label: "Dollars", scale: "usd", stroke: style("--accent"), fill: style("--run-tint"), paths: uPlot.paths.bars({ size: [0.7, 40] }), points: { show: false } },
      { label: "Builds", scale: "builds", stroke: style("--good"), width: 2, points: { show: true, size: 6 } },
    ],
  };
}

if (place) {
  const data = JSON.parse(place.dataset.series);
  let chart = null;
  const draw = () => {
    if (chart) chart.destroy();
    chart = new uPlot(options(place.clientWidth), data, place);
  };
  draw();
  new ResizeObserver(() => chart && chart.width !== place.clientWidth && draw()).observe(place);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}
