// Refreshes the list while the page is visible, and deletes messages. The server renders; no code here parses one.
const live = document.getElementById("live");
const remove = document.getElementById("delete");
let tag = "";

async function refresh() {
  if (document.hidden) return;
  const query = new URLSearchParams({ q: live.dataset.query, page: live.dataset.page });
  try {
    const response = await fetch(`/list?${query}`, { headers: { "If-None-Match": tag }, cache: "no-store" });
    if (response.status === 200) {
      tag = response.headers.get("ETag");
      live.innerHTML = await response.text();
      remove.hidden = !live.querySelector(".mails");
    }
    document.body.classList.toggle("stopped", !response.ok && response.status !== 304);
  } catch {
    document.body.classList.add("stopped");
  }
}

remove.addEventListener("click", async () => {
  if (!confirm("Delete all messages?")) return;
  await fetch("/api/v1/messages", { method: "DELETE" });
  await refresh();
});

if (live) {
  setInterval(refresh, 1000);
  document.addEventListener("visibilitychange", refresh);
}
