/* How long probes took, to look at closer. Without this script the same is drawn by the server. */
"use strict";

const charts = new Map();

/* The style sheet's colours are light-dark() pairs: what is drawn on a canvas needs the one that holds now */
function colour(element, name) {
  const probe = document.createElement("span");
  probe.className = `kg-ink-${name}`;
  element.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function words(seconds) {
  if (seconds == null) return "";
  return seconds < 1 ? `${Number((seconds * 1000).toPrecision(2))}\u00a0ms` : `${Number(seconds.toPrecision(2))}\u00a0s`;
}

const pad = (number) => String(number).padStart(2, "0");
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function moment(at, step) {
  const day = new Date(at * 1000);
  const date = `${day.getUTCDate()} ${MONTHS[day.getUTCMonth()]}`;
  const clock = `${pad(day.getUTCHours())}:${pad(day.getUTCMinutes())}`;
  if (!step) return `${date}, ${clock} UTC`;
  return step >= 86400 || clock === "00:00" ? date : clock;
}

function draw(place, answer) {
  const grey = colour(place, "label"), rule = colour(place, "rule"), ground = colour(place, "ground");
  const marks = (place.dataset.marks || "").trim().split(/\s+/).filter(Boolean).map(Number);
  const least = Number(place.dataset.least), most = Number(place.dataset.most);
  const levels = [least, most];                             // and each tenfold between them: as far apart as the next
  for (let level = 10 ** Math.ceil(Math.log10(least)); level < most; level *= 10) if (level > least * 1.5 && level * 1.5 < most) levels.push(level);
  const at = (share) => answer.from + (answer.to - answer.from) * share / 100;
  const options = {
    width: place.clientWidth, height: 190, padding: [8, 0, 0, 0],
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
    cursor: { drag: { x: true, y: false } },
    scales: { x: { min: answer.from, max: answer.to }, y: { distr: 3, range: [least, most] } },
    series: [
      { label: "When", value: (_chart, seconds) => seconds == null ? "" : moment(seconds) },
      { label: "Half took up to", stroke: colour(place, "p50"), width: 1.5, points: { show: false }, value: (_chart, value) => words(value) },
      { label: "95 of 100 up to", stroke: colour(place, "p95"), width: 1.5, dash: [4, 2], points: { show: false }, value: (_chart, value) => words(value) },
    ],
    axes: [
      { stroke: grey, grid: { stroke: rule, width: 1 }, ticks: { stroke: rule, width: 1 }, font: "11px Inter, sans-serif", size: 26,
        values: (chart, splits, _axis, _space, step) => splits.map((seconds) => chart.valToPos(seconds, "x") < 20 ? "" : moment(seconds, step)) },
      { show: false },
    ],
    hooks: {
      draw: [(chart) => {
        const { ctx, bbox } = chart;
        ctx.save();
        ctx.strokeStyle = rule; ctx.fillStyle = grey; ctx.lineWidth = devicePixelRatio;
        ctx.font = `${11 * devicePixelRatio}px Inter, sans-serif`;
        ctx.textAlign = "left";
        ctx.textBaseline = "alphabetic";
        for (const level of levels) {                       // labels lie inside, so that the axis stays that of the line above
          const y = Math.round(chart.valToPos(level, "y", true));
          ctx.beginPath(); ctx.moveTo(bbox.left, y); ctx.lineTo(bbox.left + bbox.width, y); ctx.stroke();
          const place = [words(level), bbox.left + 4 * devicePixelRatio, level === most ? y + 12 * devicePixelRatio : y - 4 * devicePixelRatio];
          ctx.strokeStyle = ground; ctx.lineWidth = 4 * devicePixelRatio; ctx.strokeText(...place); ctx.fillText(...place);
          ctx.strokeStyle = rule; ctx.lineWidth = devicePixelRatio;
        }
        ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
        ctx.strokeStyle = grey;
        for (const mark of marks) {
          const x = Math.round(chart.valToPos(at(mark), "x", true));
          if (x < bbox.left || x > bbox.left + bbox.width) continue;
          ctx.beginPath(); ctx.moveTo(x, bbox.top); ctx.lineTo(x, bbox.top + bbox.height); ctx.stroke();
        }
        ctx.restore();
      }],
    },
  };
  place.classList.add("kg-durations--live");
  const chart = new uPlot(options, answer.data, place);
  chart.root.setAttribute("aria-hidden", "true");           // the sentence below and the table of numbers say it in words
  const watch = new ResizeObserver(() => chart.setSize({ width: place.clientWidth, height: 190 }));
  watch.observe(place);
  charts.set(place, { chart, watch, answer });
}

function destroy(place) {
  const known = charts.get(place);
  if (!known) return;
  known.watch.disconnect();
  known.chart.destroy();
  charts.delete(place);
  place.classList.remove("kg-durations--live");
}

async function begin(place) {
  try {
    const answer = await fetch(place.dataset.durations, { headers: { accept: "application/json" } });
    if (answer.ok && place.isConnected && !charts.has(place)) draw(place, await answer.json());
  } catch { /* what the server drew stays */ }
}

function beginAll(root) {
  for (const place of root.querySelectorAll("[data-durations]")) begin(place);
}

beginAll(document);
document.addEventListener("htmx:load", (event) => { if (event.target !== document.body) beginAll(event.target); });
document.addEventListener("htmx:beforeCleanupElement", (event) => { if (charts.has(event.target)) destroy(event.target); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const [place, { answer }] of [...charts]) { destroy(place); draw(place, answer); }
});
