// The chart of the overview: its data come every two seconds, as the page around it does.

const place = document.getElementById("rates");
const age = document.getElementById("age");
const PERIOD_MS = 2000;
const HEIGHT = 240;
let chart = null;
let updatedAt = Date.now();

function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = name => style.getPropertyValue(name).trim();
  return { lines: [of("--link"), of("--good"), of("--warn"), of("--bad"), of("--soft")], soft: of("--soft"), grid: of("--line") };
}

function time(seconds) {
  return new Date(seconds * 1000).toISOString().slice(11, 19).replace(/:00$/, "");
}

function make(names, data) {
  const { lines, soft, grid } = colours();
  const axis = { stroke: soft, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 }, font: "12px system-ui" };
  const options = {
    width: place.clientWidth,
    height: HEIGHT,
    cursor: { drag: { x: false, y: false } },
    scales: { y: { range: (self, low, high) => [0, Math.max(1, high * 1.1)] } },
    tzDate: seconds => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    axes: [{ ...axis, values: (self, times) => times.map(time) }, { ...axis, size: 46 }],
    series: [
      { label: "time", value: (self, at) => (at === null ? "–" : time(at)) },
      ...names.map((name, n) => ({ label: name, stroke: lines[n], width: 2, points: { show: false },
        value: (self, value) => (value === null ? "–" : value.toFixed(1)) })),
    ],
  };
  chart = new uPlot(options, data, place);
}

async function refresh() {
  if (document.hidden) return;
  try {
    const response = await fetch(place.dataset.source, { headers: { "HX-Request": "true" } });
    if (!response.ok) return;
    const { names, data } = await response.json();
    if (chart) chart.setData(data);
    else make(names, data);
  } catch {
    // the page says so: its other part is not refreshed either
  }
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  chart?.destroy();
  chart = null;
  refresh();
});
new ResizeObserver(() => chart?.setSize({ width: place.clientWidth, height: HEIGHT })).observe(place);
document.addEventListener("htmx:afterSwap", () => {
  updatedAt = Date.now();
  age.textContent = "";
});
setInterval(() => {
  const seconds = Math.round((Date.now() - updatedAt) / 1000);
  age.textContent = seconds > 5 && !document.hidden ? `not updated for ${seconds} seconds` : "";
}, 1000);
setInterval(refresh, PERIOD_MS);
refresh();
