// Gives the inboxes Alice's token, publishes sample events, and refreshes the list of events while the page is visible.
const list = document.getElementById("events");
const form = document.getElementById("publish");
const result = document.getElementById("result");
let tag = "";

async function getToken() {
  const response = await fetch("/start/token", { cache: "no-store" });
  if (!response.ok) throw new Error(`no token: ${response.status}`);
  return (await response.json()).access_token;
}

for (const inbox of document.querySelectorAll("tocsin-inbox")) {
  Object.assign(inbox, { baseUrl: location.origin, getToken });
}

async function refresh() {
  if (document.hidden) return;
  try {
    const response = await fetch("/start/events", { headers: { "If-None-Match": tag }, cache: "no-store" });
    if (response.status === 200) {
      tag = response.headers.get("ETag");
      list.innerHTML = await response.text();
    }
  } catch {
    // the stack is stopping, or starting again
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const type = new FormData(form).get("type");
  result.textContent = "publishing …";
  try {
    const response = await fetch("/start/events", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ type }),
    });
    const answer = await response.json();
    result.textContent = response.ok ? `published ${answer.id}` : answer.detail;
  } catch {
    result.textContent = "the API does not answer";
  }
  await refresh();
});

setInterval(refresh, 1500);
document.addEventListener("visibilitychange", refresh);
