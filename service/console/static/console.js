// What every page of the console has: notices that go when the next request succeeds, and menus that close.

const notice = document.getElementById("notice");

document.addEventListener("htmx:afterRequest", event => {
  if (event.detail.successful && !notice.contains(event.target)) notice.replaceChildren();
});
document.addEventListener("htmx:sendError", () => {
  const text = document.createElement("p");
  text.className = "notice bad";
  text.textContent = "The API does not answer. This page shows what it was.";
  notice.replaceChildren(text);
});

const menu = document.querySelector("details.person");
document.addEventListener("click", event => {
  if (menu?.open && !menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", event => {
  if (event.key === "Escape" && menu?.open) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

document.querySelector(".places [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
