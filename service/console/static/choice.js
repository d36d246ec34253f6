// A checkbox in a table's head chooses all rows of the page.

for (const all of document.querySelectorAll("input[data-all]")) {
  const boxes = () => all.form.querySelectorAll(`tbody input[name="${all.dataset.all}"]`);
  all.addEventListener("change", () => boxes().forEach(box => (box.checked = all.checked)));
  all.form.addEventListener("change", event => {
    if (event.target !== all) all.checked = [...boxes()].every(box => box.checked);
  });
}
