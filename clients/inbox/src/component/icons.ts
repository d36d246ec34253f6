import { svg, type SVGTemplateResult } from "lit";

function icon(paths: SVGTemplateResult): SVGTemplateResult {
  return svg`<svg viewBox="0 0 24 24" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="1.75"
    stroke-linecap="round" stroke-linejoin="round">${paths}</svg>`;
}

export const BELL = icon(svg`<path d="M18 9a6 6 0 1 0-12 0c0 6-2.5 7.5-2.5 7.5h17S18 15 18 9"/><path d="M10 20a2.2 2.2 0 0 0 4 0"/>`);
export const CHECK = icon(svg`<path d="m5 12.5 4.5 4.5L19 7.5"/>`);
export const CHECK_ALL = icon(svg`<path d="m2.5 12.5 4.5 4.5L16.5 7.500M12 16l1 1 9-9.5"/>`);
export const CLOSE = icon(svg`<path d="M6 6l12 12M18 6 6 18"/>`);
export const LOCK = icon(svg`<rect x="5" y="11" width="14" height="9" rx="2.5"/><path d="M8 11V8a4 4 0 0 1 8 0v3"/>`);
export const WARNING = icon(svg`<path d="M12 4 2.8 19.500h18.400z"/><path d="M12 10v4.500M12 17v.01"/>`);
export const OFFLINE = icon(svg`<path d="M3 3l18 18M8.5 16.500a5 5 0 0 1 7 0M5 12.900a10 10 0 0 1 5-2.700M19 12.900a10 10 0 0 0-2.5-1.800M2 9.300a15 15 0 0 1 4.5-2.900M22 9.300a15 15 0 0 0-11-4.200M12 20v.01"/>`);
