/** Formats times, and `<t:unix:style>` marks whose relative form is updated. */

const STEPS = [
  ["year", 31_557_600],
  ["month", 2_629_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];
const relative = new Intl.RelativeTimeFormat("en-GB", { numeric: "auto" });
const format = (options) => new Intl.DateTimeFormat("en-GB", options);

/** Discord's timestamp styles: https://discord.com/developers/docs/reference#message-formatting-timestamp-styles */
const STYLES = {
  t: format({ timeStyle: "short" }),
  T: format({ timeStyle: "medium" }),
  d: format({ dateStyle: "short" }),
  D: format({ dateStyle: "long" }),
  f: format({ dateStyle: "long", timeStyle: "short" }),
  F: format({ dateStyle: "full", timeStyle: "short" }),
  s: format({ dateStyle: "short", timeStyle: "short" }),
  S: format({ dateStyle: "short", timeStyle: "medium" }),
};
const DAY = format({ weekday: "long", day: "numeric", month: "long" });

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
  element.title = STYLES.F.format(date);
  if (style === "R") element.dataset.relative = seconds;
  element.textContent = style === "R" ? fromNow(seconds) : (STYLES[style] ?? STYLES.f).format(date);
  return element;
}

/** The short time next to an author. */
export const clock = (date) => STYLES.t.format(date);
export const fullTime = (date) => STYLES.F.format(date);
export const day = (date) => DAY.format(date);

function tick() {
  for (const element of document.querySelectorAll("time[data-relative]")) {
    const text = fromNow(Number(element.dataset.relative));
    if (element.textContent !== text) element.textContent = text;
  }
}

export function startClock() {
  setInterval(tick, 1000);
}
