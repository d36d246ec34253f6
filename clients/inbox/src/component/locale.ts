const RIGHT_TO_LEFT = new Set(["ar", "ckb", "dv", "fa", "he", "ku", "ps", "sd", "ug", "ur", "yi"]);
const MINUTE_S = 60;
const HOUR_S = 3_600;
const DAY_S = 86_400;
const RELATIVE_DAYS = 7;

/** Return a locale that Intl accepts: the wanted one, else that of the page, else that of the browser. */
export function localeOf(wanted: string): string {
  const candidates = [wanted, document.documentElement.lang, navigator.language, "en"];
  return candidates.find((locale) => locale && isLocale(locale)) ?? "en";
}

/** Return the direction in which a locale is written. */
export function directionOf(locale: string): "ltr" | "rtl" {
  const { language, script } = new Intl.Locale(locale);
  return RIGHT_TO_LEFT.has(language) && script !== "Latn" ? "rtl" : "ltr";
}

/** Return how long ago something was, up to a week; after that the date. */
export function relativeTime(atMs: number, nowMs: number, locale: string): string {
  const agoS = Math.max(0, Math.round((nowMs - atMs) / 1000));
  const { relative, date, dateWithYear } = formatsOf(locale);
  if (agoS < MINUTE_S) return relative.format(0, "second");
  if (agoS < HOUR_S) return relative.format(-Math.floor(agoS / MINUTE_S), "minute");
  if (agoS < DAY_S) return relative.format(-Math.floor(agoS / HOUR_S), "hour");
  if (agoS < RELATIVE_DAYS * DAY_S) return relative.format(-Math.floor(agoS / DAY_S), "day");
  return (new Date(atMs).getFullYear() === new Date(nowMs).getFullYear() ? date : dateWithYear).format(atMs);
}

/** Return a time in full. */
export function fullTime(atMs: number, locale: string): string {
  return formatsOf(locale).full.format(atMs);
}

interface Formats {
  readonly relative: Intl.RelativeTimeFormat;
  readonly date: Intl.DateTimeFormat;
  readonly dateWithYear: Intl.DateTimeFormat;
  readonly full: Intl.DateTimeFormat;
}

/** By locale: to make one takes longer than to render an entry. */
const formats = new Map<string, Formats>();

function formatsOf(locale: string): Formats {
  const known = formats.get(locale);
  if (known) return known;
  const day: Intl.DateTimeFormatOptions = { day: "numeric", month: "short" };
  const made: Formats = {
    relative: new Intl.RelativeTimeFormat(locale, { numeric: "auto" }),
    date: new Intl.DateTimeFormat(locale, day),
    dateWithYear: new Intl.DateTimeFormat(locale, { ...day, year: "numeric" }),
    full: new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "short" }),
  };
  formats.set(locale, made);
  return made;
}

function isLocale(locale: string): boolean {
  try {
    return Boolean(new Intl.Locale(locale));
  } catch {
    return false;
  }
}
