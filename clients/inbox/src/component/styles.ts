import { css } from "lit";

export const styles = css`
  :host {
    --accent: var(--tocsin-accent, light-dark(#2f4bd8, #8ea1ff));
    --on-accent: var(--tocsin-on-accent, light-dark(#fff, #111318));
    --surface: var(--tocsin-surface, light-dark(#fff, #1b1e25));
    --text: var(--tocsin-text, light-dark(#171a21, #f1f3f6));
    --muted: var(--tocsin-muted, light-dark(#5d6471, #a4abb8));
    --border: var(--tocsin-border, light-dark(#e2e5eb, #2f3540));
    --control: light-dark(#7c8494, #7f8797);
    --hover: color-mix(in srgb, var(--text) 5%, var(--surface));
    --tint: color-mix(in srgb, var(--accent) 10%, var(--surface));
    --danger: light-dark(#b3261e, #ff9a91);
    --warning: light-dark(#8a5300, #f3b75a);
    --radius: var(--tocsin-radius, 16px);
    color-scheme: light dark;
    display: inline-block;
    position: relative;
    color: var(--text);
    font: 400 15px/1.45 var(--tocsin-font, ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif);
    -webkit-text-size-adjust: 100%;
  }
  :host([theme="light"]) { color-scheme: light; }
  :host([theme="dark"]) { color-scheme: dark; }
  :host([mode="page"]) { display: block; max-inline-size: var(--tocsin-page-width, 760px); margin-inline: auto; }
  :host([hidden]), [hidden] { display: none !important; }
  *, ::before, ::after { box-sizing: border-box; }
  svg { inline-size: 20px; block-size: 20px; display: block; flex: none; }

  button, select, input { font: inherit; color: inherit; letter-spacing: inherit; }
  button { background: none; border: 0; padding: 0; margin: 0; cursor: pointer; text-align: start; }
  :focus { outline: none; }
  :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
  .hidden-text {
    position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap;
  }

  .icon {
    display: grid; place-items: center; inline-size: 36px; block-size: 36px; border-radius: 10px; color: var(--muted);
    flex: none; transition: background-color 0.12s, color 0.12s;
  }
  .icon:hover { background: var(--hover); color: var(--text); }
  .icon[aria-disabled="true"] { opacity: 0.4; cursor: default; background: none; }

  .bell { position: relative; inline-size: 44px; block-size: 44px; border-radius: 14px; color: inherit; }
  .bell svg { inline-size: 24px; block-size: 24px; transform-origin: 50% 10%; }
  .bell[aria-expanded="true"] { background: var(--hover); }
  .bell.rings svg { animation: ring 0.7s ease-in-out; }
  .badge {
    position: absolute; inset-block-start: 2px; inset-inline-end: 1px; min-inline-size: 19px; block-size: 19px;
    padding-inline: 5px; border-radius: 10px; background: var(--accent); color: var(--on-accent);
    font-size: 11px; line-height: 19px; font-weight: 700; text-align: center; font-variant-numeric: tabular-nums;
    box-shadow: 0 0 0 2px var(--tocsin-bell-surface, var(--surface));
  }

  .panel { display: flex; flex-direction: column; background: var(--surface); color: var(--text); border: 1px solid var(--border); border-radius: var(--radius); overflow: hidden; }
  .panel[popover] { display: none; }
  .panel:popover-open {
    --width: min(var(--tocsin-panel-width, 420px), 100% - 16px);
    display: flex; position: fixed; margin: 0; padding: 0; inset: var(--above, auto) auto var(--below, auto) auto;
    left: clamp(8px, var(--start), 100% - 8px - var(--width));
    inline-size: var(--width); block-size: min(var(--tocsin-panel-height, 640px), var(--room));
    box-shadow: 0 1px 2px rgb(9 12 20 / 8%), 0 12px 40px -8px rgb(9 12 20 / 24%);
    animation: appear 0.14s ease-out;
  }
  @media (width <= 480px) {
    .panel:popover-open { inset: 0; inline-size: auto; max-inline-size: none; block-size: 100dvh; border: 0; border-radius: 0; }
  }
  :host([mode="page"]) .panel { overflow: visible; }

  header { display: flex; align-items: center; gap: 4px; padding-block: 16px 8px; padding-inline: 20px 12px; }
  h2 { flex: 1; margin: 0; font-size: 19px; line-height: 28px; font-weight: 700; letter-spacing: -0.01em; }
  h2:focus-visible { outline: none; }

  [role="tablist"] { display: flex; padding-inline: 12px; box-shadow: inset 0 -1px var(--border); flex: none; overflow: auto hidden; scrollbar-width: none; }
  [role="tab"] {
    position: relative; padding: 8px 9px 11px; color: var(--muted); font-weight: 600; font-size: 14px; line-height: 21px;
    border-radius: 8px 8px 0 0; white-space: nowrap; flex: none; transition: color 0.12s;
  }
  [role="tab"]:hover, [role="tab"][aria-selected="true"] { color: var(--text); }
  [role="tab"][aria-selected="true"]::after {
    content: ""; position: absolute; inset-inline: 9px; inset-block-end: 0; block-size: 2px; border-radius: 2px; background: var(--accent);
  }
  [role="tab"]:focus-visible { outline-offset: -3px; }
  .number {
    display: inline-block; margin-inline-start: 6px; padding-inline: 7px; border-radius: 9px; background: var(--tint); color: var(--text);
    font-size: 12px; line-height: 18px; font-variant-numeric: tabular-nums;
  }

  .filter { display: flex; padding: 10px 16px 4px; flex: none; }
  .filter select {
    min-block-size: 32px; min-inline-size: 0; max-inline-size: 100%; padding: 3px 8px; border: 1px solid transparent; border-radius: 9px;
    background: var(--hover); color: var(--text); font-size: 13px; font-weight: 600; text-overflow: ellipsis; cursor: pointer;
  }
  .filter select:hover { border-color: var(--border); }

  .scroll { flex: 1; min-block-size: 0; overflow-y: auto; overscroll-behavior: contain; scrollbar-width: thin; scrollbar-color: var(--control) transparent; }
  :host([mode="page"]) .scroll { overflow: visible; min-block-size: 320px; padding-block-end: 8px; }
  .scroll:focus-visible { outline-offset: -2px; }

  .entry { position: relative; display: grid; grid-template-columns: 8px 1fr auto; column-gap: 12px; align-items: start; padding-block: 13px; padding-inline: 20px 12px; transition: background-color 0.12s; }
  .entry + .entry::before, .chunk + .chunk > .entry:first-child::before {
    content: ""; position: absolute; inset-block-start: 0; inset-inline: 40px 20px; border-block-start: 1px solid var(--border);
  }
  .entry:hover { background: var(--hover); }
  .dot { inline-size: 8px; block-size: 8px; margin-block-start: 7px; border-radius: 50%; }
  .unread .dot { background: var(--accent); }
  .body { min-inline-size: 0; }
  .line {
    display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden; inline-size: 100%;
    color: inherit; text-decoration: none; overflow-wrap: anywhere; text-align: start; cursor: pointer; line-height: 1.4;
  }
  :host([mode="page"]) .line { -webkit-line-clamp: 6; }
  .unread .line { font-weight: 600; }
  .line::after { content: ""; position: absolute; inset: 0; }
  .line:focus-visible { outline: none; }
  .line:focus-visible::after { outline: 2px solid var(--accent); outline-offset: -3px; border-radius: 10px; }
  .about { display: flex; flex-wrap: wrap; column-gap: 6px; margin-block-start: 3px; font-size: 13px; line-height: 18px; color: var(--muted); }
  .about > span, .about > time { overflow-wrap: anywhere; }
  .mark { position: relative; z-index: 1; inline-size: 32px; block-size: 32px; margin-block-start: -3px; }
  .mark:hover { background: var(--tint); color: var(--accent); }
  @media (hover: hover) {
    .mark { opacity: 0; }
    .entry:hover .mark, .entry:focus-within .mark { opacity: 1; }
  }

  .empty { display: grid; justify-items: center; gap: 4px; padding: 72px 32px; text-align: center; color: var(--muted); font-size: 14px; }
  .empty .picture { display: grid; place-items: center; inline-size: 64px; block-size: 64px; margin-block-end: 14px; border-radius: 50%; background: var(--tint); color: var(--accent); }
  .empty .picture svg { inline-size: 30px; block-size: 30px; }
  .empty strong { color: var(--text); font-size: 16px; font-weight: 650; }

  .bone { border-radius: 6px; background: color-mix(in srgb, var(--text) 9%, var(--surface)); block-size: 12px; margin-block: 5px; animation: breathe 1.4s ease-in-out infinite alternate; }
  .bone.short { inline-size: 45%; block-size: 10px; margin-block-start: 10px; }
  .entry.skeleton:hover { background: none; }

  .notice { display: flex; align-items: center; gap: 10px; padding: 9px 20px; font-size: 13px; line-height: 18px; flex: none; border-block-end: 1px solid var(--border); }
  .notice svg { inline-size: 18px; block-size: 18px; }
  .notice span { flex: 1; min-inline-size: 0; }
  .notice.offline { background: color-mix(in srgb, var(--warning) 9%, var(--surface)); color: var(--warning); }
  .notice.error { background: color-mix(in srgb, var(--danger) 8%, var(--surface)); color: var(--danger); }
  .notice.foot { border-block: 1px solid var(--border) 0; }
  .notice .icon { inline-size: 28px; block-size: 28px; color: inherit; }
  .text-button { min-block-size: 28px; padding: 3px 10px; border-radius: 8px; font-weight: 600; color: inherit; text-decoration: underline; text-underline-offset: 3px; white-space: nowrap; }
  .text-button:hover { background: color-mix(in srgb, currentColor 10%, transparent); }
  .more { display: grid; place-items: center; padding: 12px; color: var(--muted); font-size: 14px; }

  .preferences { padding: 14px 20px 24px; }
  .preferences > p { margin: 0 0 12px; color: var(--muted); font-size: 14px; }
  .search {
    inline-size: 100%; min-block-size: 38px; padding: 6px 12px; border: 1px solid var(--control); border-radius: 10px;
    background: var(--surface); font-size: 14px;
  }
  .search::placeholder { color: var(--muted); opacity: 1; }
  .domain { margin-block-start: 20px; }
  .domain-head { display: flex; align-items: end; gap: 8px; padding-block-end: 8px; border-block-end: 1px solid var(--border); }
  h3 { flex: 1; margin: 0; font-size: 12px; line-height: 18px; font-weight: 700; letter-spacing: 0.05em; text-transform: uppercase; color: var(--muted); }
  .channel { inline-size: 60px; text-align: center; font-size: 13px; line-height: 18px; color: var(--muted); font-weight: 500; overflow-wrap: anywhere; }
  .preference { display: flex; align-items: start; gap: 8px; padding-block: 11px; border-block-end: 1px solid color-mix(in srgb, var(--border) 60%, var(--surface)); }
  .preference .name { flex: 1; min-inline-size: 0; overflow-wrap: anywhere; }
  .why { display: flex; gap: 6px; margin-block-start: 4px; font-size: 13px; line-height: 18px; color: var(--muted); }
  .why svg { inline-size: 15px; block-size: 15px; margin-block-start: 1px; }
  .why.blocked { color: var(--warning); }
  .often select {
    min-block-size: 32px; padding: 3px 8px; border: 1px solid var(--control); border-radius: 8px;
    background: var(--surface); color: inherit; font: inherit; font-size: 14px;
  }
  .often { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 8px; margin-block-start: 6px; font-size: 13px; color: var(--muted); }
  .switch { display: grid; place-items: center; inline-size: 60px; block-size: 26px; border-radius: 13px; }
  .switch span { position: relative; inline-size: 40px; block-size: 24px; border-radius: 12px; background: var(--control); transition: background-color 0.15s; }
  .switch span::after {
    content: ""; position: absolute; inset-block-start: 3px; inset-inline-start: 3px; inline-size: 18px; block-size: 18px; border-radius: 50%;
    background: #fff; box-shadow: 0 1px 2px rgb(9 12 20 / 30%); transition: inset-inline-start 0.15s;
  }
  .switch[aria-checked="true"] span { background: var(--accent); }
  .switch[aria-checked="true"] span::after { inset-inline-start: 19px; background: var(--on-accent); }
  .switch[aria-disabled="true"] { cursor: not-allowed; }
  .switch[aria-disabled="true"] span { opacity: 0.55; }
  .switch:focus-visible { outline-offset: 0; }

  @keyframes appear { from { opacity: 0; transform: translateY(-6px) scale(0.985); } }
  @keyframes breathe { to { opacity: 0.5; } }
  @keyframes ring {
    0%, 100% { transform: rotate(0); }
    20% { transform: rotate(14deg); }
    40% { transform: rotate(-11deg); }
    60% { transform: rotate(7deg); }
    80% { transform: rotate(-4deg); }
  }
  @media (prefers-reduced-motion: reduce) {
    *, ::before, ::after { animation: none !important; transition: none !important; }
  }
  @media (forced-colors: active) {
    .badge { background: Highlight; color: HighlightText; forced-color-adjust: none; }
    .unread .dot { background: Highlight; forced-color-adjust: none; }
    [role="tab"][aria-selected="true"]::after { background: Highlight; forced-color-adjust: none; }
    .switch span { background: Canvas; border: 1px solid ButtonText; }
    .switch span::after { background: ButtonText; inset-block-start: 2px; }
    .switch[aria-checked="true"] span { background: Highlight; forced-color-adjust: none; }
    .switch[aria-checked="true"] span::after { background: HighlightText; }
    .switch[aria-disabled="true"] span { opacity: 1; border-color: GrayText; }
  }
`;
