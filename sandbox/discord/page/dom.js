/** Builds elements without innerHTML. Every string becomes a text node, so that no user text is interpreted as markup. */

const SVG = "http://www.w3.org/2000/svg";
const PROPERTIES = new Set(["value", "checked", "disabled", "hidden", "selected", "multiple", "tabIndex", "indeterminate"]);

/**
 * `h("button.primary", {type: "button", onclick}, "Send")`. Children may be nested lists; null, undefined, false and "" are left out.
 * `style` and `dataset` are objects; an attribute that is null, undefined or false is not set.
 */
export function h(tag, attributes, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes ?? {})) assign(element, key, value);
  return fill(element, ...children);
}

function assign(element, key, value) {
  if (value === undefined || value === null || value === false) return;
  if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
  else if (key === "style") for (const [name, text] of Object.entries(value)) element.style.setProperty(name, text);
  else if (key === "dataset") Object.assign(element.dataset, value);
  else if (PROPERTIES.has(key)) element[key] = value;
  else element.setAttribute(key, value === true ? "" : value);
}

/** Replace an element's children. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child || child === 0));
  return element;
}

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `/page/icons.svg#${name}`);
  svg.append(use);
  return svg;
}

let lastId = 0;
/** A new unique id for `aria-*` references. */
export const freshId = (stem) => `${stem}-${++lastId}`;

export const find = (id) => document.getElementById(id);

/** Roving tabindex: one tab stop for a list, at the last focused item. Arrow keys, Home and End move inside the list. */
export function rove(container, selector, { next = "ArrowDown", previous = "ArrowUp" } = {}) {
  const items = () => [...container.querySelectorAll(selector)];
  const settle = (chosen) => items().forEach((item) => (item.tabIndex = item === chosen ? 0 : -1));
  container.addEventListener("focusin", (event) => items().includes(event.target) && settle(event.target));
  container.addEventListener("keydown", (event) => {
    const all = items();
    const at = all.indexOf(event.target);
    if (at < 0) return;
    const to = { [next]: at + 1, [previous]: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    all[Math.max(0, Math.min(all.length - 1, to))].focus();
  });
  return settle;
}

/** Place a popover next to its anchor, inside the window: above it if there is more space or `above` is set. */
export function place(popover, anchor, { above = false, fullWidth = false, tallestPx = 400 } = {}) {
  const box = anchor.getBoundingClientRect();
  const margin = 8;
  const [roomAbove, roomBelow] = [box.top - margin, innerHeight - box.bottom - margin];
  if (fullWidth) popover.style.width = `${box.width}px`;
  const upward = above ? roomAbove > 140 : roomBelow < Math.min(popover.scrollHeight, 320) && roomAbove > roomBelow;
  popover.style.maxHeight = `${Math.max(120, Math.min(upward ? roomAbove : roomBelow, tallestPx))}px`;
  const left = Math.min(box.left, innerWidth - popover.offsetWidth - margin);
  popover.style.left = `${Math.max(margin, left)}px`;
  popover.style.top = upward ? "auto" : `${box.bottom + 4}px`;
  popover.style.bottom = upward ? `${innerHeight - box.top + 4}px` : "auto";
}
