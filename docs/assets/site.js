// A table that is wider than the window can be scrolled with the keyboard (WCAG 2.2, 2.1.1).
const reach = () => document.querySelectorAll(".md-typeset__scrollwrap, pre > code").forEach((wide) => (wide.tabIndex = 0));
document.addEventListener("DOMContentLoaded", reach);
window.addEventListener("load", reach);
