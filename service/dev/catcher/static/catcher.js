// Refreshes the list while it is looked at, and deletes mails. The server renders; nothing here reads a mail.
const live = document.getElementById("live");
const remove = document.getElementById("delete");
let tag = "";

async function refresh() {
  if (document.hidden) return;
  const place = new URLSearchParams({ q: live.dataset.query, page: live.dataset.page });
  try {
    const answer = await fetch(`/list?${place}`, { headers: { "If-None-Match": tag }, cache: "no-store" });
    if (answer.status === 200) {
      tag = answer.headers.get("ETag");
      live.innerHTML = await answer.text();
      remove.hidden = !live.querySelector(".mails");
    }
    document.body.classList.toggle("away", !answer.ok && answer.status !== 304);
  } catch {
    document.body.classList.add("away");
  }
}

remove.addEventListener("click", async () => {
  if (!confirm("Delete all mails?")) return;
  await fetch("/api/v1/messages", { method: "DELETE" });
  await refresh();
});

if (live) {
  setInterval(refresh, 1000);
  document.addEventListener("visibilitychange", refresh);
}
