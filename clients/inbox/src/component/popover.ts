const GAP_PX = 8;
const LEAST_PX = 360;

/** Place a panel below a button, or above it where there is more room; the style sheet keeps it inside of the page. */
export function placeBeside(button: HTMLElement, panel: HTMLElement): void {
  const box = button.getBoundingClientRect();
  const isRtl = getComputedStyle(panel).direction === "rtl";
  const below = innerHeight - box.bottom - 2 * GAP_PX;
  const above = box.top - 2 * GAP_PX;
  const isAbove = below < LEAST_PX && above > below;
  const values = {
    "--above": isAbove ? "auto" : `${box.bottom + GAP_PX}px`,
    "--below": isAbove ? `${innerHeight - box.top + GAP_PX}px` : "auto",
    "--start": isRtl ? `${box.left}px` : `calc(${box.right}px - var(--width))`,
    "--room": `${isAbove ? above : below}px`,
  };
  for (const [name, value] of Object.entries(values)) panel.style.setProperty(name, value);
}
