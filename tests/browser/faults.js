// Return what is wrong with how the component looks: contrast, sizes of targets, text that is cut or outside of the page.
() => {
  const faults = [];
  const host = document.querySelector("tocsin-inbox");
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const context = canvas.getContext("2d", { willReadFrequently: true });

  /** Return red, green, blue and alpha of a CSS colour in any notation. */
  const parse = (colour) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const parentOf = (element) => element.parentElement ?? element.getRootNode().host ?? null;
  /** Return the colour behind an element, from all backgrounds of the elements around it. */
  const behind = (element) => {
    if (!element) return parse("Canvas");
    const own = parse(getComputedStyle(element).backgroundColor);
    return own[3] === 1 ? own : over(own, behind(parentOf(element)));
  };
  const opacity = (element) => (element ? getComputedStyle(element).opacity * opacity(parentOf(element)) : 1);
  const light = ([r, g, b]) => {
    const linear = (v) => ((v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  };
  const ratio = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
  const isDisabled = (element) => element.closest("[aria-disabled='true']") !== null;
  const isHidden = (element) => !element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || element.closest(".hidden-text");

  const walker = document.createTreeWalker(host.shadowRoot, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const { parentElement: parent, textContent } = walker.currentNode;
    const text = textContent.trim();
    if (!text || !parent || parent.localName === "style" || isHidden(parent) || isDisabled(parent)) continue;
    const style = getComputedStyle(parent);
    const back = behind(parent);
    const front = parse(style.color);
    const seen = over([...front.slice(0, 3), front[3] * opacity(parent)], back);
    const sizePx = parseFloat(style.fontSize);
    const least = sizePx >= 24 || (sizePx >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
    const what = JSON.stringify(text.slice(0, 30));
    if (ratio(seen, back) < least) faults.push(`${what} has contrast ${ratio(seen, back).toFixed(2)}`);
    if (sizePx < 11) faults.push(`${what} is ${sizePx} px small`);
    const box = parent.getBoundingClientRect();
    const around = parent.closest(".panel")?.getBoundingClientRect() ?? { left: 0, right: innerWidth };
    if (box.right > around.right + 1 || box.left < around.left - 1) faults.push(`${what} is outside of the panel`);
  }
  for (const part of host.shadowRoot.querySelectorAll(".unread .dot, .switch span, .badge")) {
    if (isHidden(part) || isDisabled(part)) continue;
    const contrast = ratio(behind(part), behind(parentOf(part)));
    if (contrast < 3) faults.push(`${part.className || "switch"} has contrast ${contrast.toFixed(2)}`);
  }
  for (const target of host.shadowRoot.querySelectorAll("button, a, select, input")) {
    if (isHidden(target)) continue;
    // A line is a target as large as its row.
    const { width, height } = (target.matches(".line") ? target.closest(".entry") : target).getBoundingClientRect();
    if (width < 24 || height < 24) faults.push(`${target.className || target.localName} is ${width} x ${height} px`);
  }
  if (document.documentElement.scrollWidth > innerWidth) faults.push("the page scrolls sideways");
  return [...new Set(faults)];
}
