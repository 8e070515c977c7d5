/** Formats times and numbers in the language of the person's client, and `<t:unix:style>` marks whose relative form is updated. */

const STEPS = [
  ["year", 31_557_600],
  ["month", 2_629_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];
/** Discord's timestamp styles, and the day above messages: https://discord.com/developers/docs/reference#message-formatting-timestamp-styles */
const STYLES = {
  t: { timeStyle: "short" },
  T: { timeStyle: "medium" },
  d: { dateStyle: "short" },
  D: { dateStyle: "long" },
  f: { dateStyle: "long", timeStyle: "short" },
  F: { dateStyle: "full", timeStyle: "short" },
  s: { dateStyle: "short", timeStyle: "short" },
  S: { dateStyle: "short", timeStyle: "medium" },
  day: { weekday: "long", day: "numeric", month: "long" },
};

let language = null;
let formats = {};
let relative = null;
let numbers = null;

/** Write times in this language from now on. Returns whether it is another one than before. */
export function speak(locale) {
  if (locale === language) return false;
  language = locale;
  formats = Object.fromEntries(Object.entries(STYLES).map(([style, options]) => [style, new Intl.DateTimeFormat(locale, options)]));
  relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  numbers = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 });
  return true;
}

export function fromNow(seconds) {
  const distance = seconds - Date.now() / 1000;
  const [unit, size] = STEPS.find(([, step]) => Math.abs(distance) >= step) ?? STEPS.at(-1);
  return relative.format(Math.trunc(distance / size), unit);
}

/** The element of a timestamp mark; style `R` is updated. Times out of the range of `Date` stay as they were written. */
export function timeMark(seconds, style, written) {
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) return document.createTextNode(written);
  const element = document.createElement("time");
  element.dateTime = date.toISOString();
  element.title = formats.F.format(date);
  element.lang = language;
  if (style === "R") element.dataset.relative = seconds;
  element.textContent = style === "R" ? fromNow(seconds) : (formats[style] ?? formats.f).format(date);
  return element;
}

export const number = (value) => numbers.format(value);

/** The short time next to an author. */
export const clock = (date) => formats.t.format(date);
export const fullTime = (date) => formats.F.format(date);
export const day = (date) => formats.day.format(date);

function tick() {
  for (const element of document.querySelectorAll("time[data-relative]")) {
    const text = fromNow(Number(element.dataset.relative));
    if (element.textContent !== text) element.textContent = text;
  }
}

export function startClock() {
  setInterval(tick, 1000);
}
