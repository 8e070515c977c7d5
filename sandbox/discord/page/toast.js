/** Short notes at the edge of the page. They disappear by themselves, but not while they are hovered or focused. */
import { fill, find, h, icon } from "./dom.js";

const STAY_MS = 7000;

export function toast(text, { wrong = false } = {}) {
  const note = h(wrong ? "div.toast.wrong" : "div.toast", {}, h("span", {}, text));
  const leave = () => note.remove();
  let timer = setTimeout(leave, STAY_MS);
  const hold = () => clearTimeout(timer);
  const release = () => (timer = setTimeout(leave, STAY_MS / 2));
  note.append(h("button.icon-button", { type: "button", "aria-label": "Close this note", onclick: leave }, icon("close")));
  for (const name of ["pointerenter", "focusin"]) note.addEventListener(name, hold);
  for (const name of ["pointerleave", "focusout"]) note.addEventListener(name, release);
  find("toasts").append(note);
  return note;
}

/** The banner for a lost connection; `null` removes it. */
export function banner(text) {
  const element = find("lost");
  fill(element, text);
  element.hidden = text === null;
}
