// The live tail. Rows wait in an array of at most as many as the page shows, and are drawn once a frame at most:
// a thousand outcomes a second cost a hundred rows of work, and the page keeps its size.

const MOST_ROWS = 500;
const DRAWN_EVERY_MS = 200;

const tail = document.getElementById("tail");
const body = tail.querySelector("tbody");
const status = document.getElementById("tail-status");
const pause = document.getElementById("pause");

let waiting = [];
let seen = 0;
let skipped = 0;
let error = "";
let isPaused = false;
let isConnected = false;
let drawnAt = 0;
let isScheduled = false;

function cell(text, tag = "td") {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}

function isolated(text) {
  const element = document.createElement("td");
  element.append(cell(text, "bdi"));
  return element;
}

function row([at, state, channel, recipient, type, why, reply, delivery]) {
  const element = document.createElement("tr");
  const badge = cell(state, "span");
  badge.className = `state ${/^[a-z_]+$/.test(state) ? state : ""}`;
  const link = cell("", "a");
  link.href = `${tail.dataset.search}?q=${encodeURIComponent(delivery)}`;
  link.append(cell(recipient, "bdi"));
  const [stateCell, who] = [document.createElement("td"), document.createElement("td")];
  stateCell.append(badge);
  who.append(link);
  element.append(cell(new Date(at).toISOString().slice(11, 23)), stateCell, cell(channel), who, isolated(type), isolated(why), isolated(reply));
  return element;
}

function describe() {
  const parts = [];
  if (!isConnected) parts.push("not connected");
  else if (error) parts.push(`outcomes cannot be read now: ${error}`);
  else parts.push(isPaused ? "paused" : "live");
  parts.push(`${seen.toLocaleString("en")} seen`);
  if (skipped) parts.push(`${skipped.toLocaleString("en")} not shown, because they came too fast`);
  if (isPaused && waiting.length) parts.push(`${waiting.length} wait`);
  const text = parts.join(" · ");
  if (status.textContent !== text) status.textContent = text;
}

function draw() {
  isScheduled = false;
  drawnAt = performance.now();
  if (!isPaused && waiting.length) {
    const rows = document.createDocumentFragment();
    for (let n = waiting.length - 1; n >= 0; n--) rows.append(row(waiting[n]));
    waiting = [];
    body.prepend(rows);
    while (body.rows.length > MOST_ROWS) body.lastElementChild.remove();
  }
  describe();
}

function schedule() {
  if (isScheduled) return;
  isScheduled = true;
  setTimeout(() => requestAnimationFrame(draw), Math.max(0, DRAWN_EVERY_MS - (performance.now() - drawnAt)));
}

const source = new EventSource(tail.dataset.source);
source.addEventListener("open", () => {
  isConnected = true;
  schedule();
});
source.addEventListener("error", () => {
  isConnected = false;
  schedule();
});
source.addEventListener("message", event => {
  const document_ = JSON.parse(event.data);
  seen += document_.rows.length + document_.skipped;
  skipped += document_.skipped;
  error = document_.error;
  waiting.push(...document_.rows);
  if (waiting.length > MOST_ROWS) {
    skipped += waiting.length - MOST_ROWS;
    waiting = waiting.slice(-MOST_ROWS);
  }
  schedule();
});

pause.addEventListener("click", () => {
  isPaused = !isPaused;
  pause.setAttribute("aria-pressed", String(isPaused));
  pause.textContent = isPaused ? "Continue" : "Pause";
  draw();
});
document.getElementById("clear").addEventListener("click", () => {
  body.replaceChildren();
  waiting = [];
  describe();
});
addEventListener("pagehide", () => source.close());
