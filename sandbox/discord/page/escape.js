/** Escape closes what is open. Lists, menus and dialogs do that by themselves; the layers of the page are told to this module. */
const open = [];

/** `element` has opened; Escape calls `close()`. */
export function opened(element, close) {
  closed(element);
  open.push({ element, close });
}

/** It has closed, or is gone. */
export function closed(element) {
  const at = open.findIndex((one) => one.element === element);
  if (at >= 0) open.splice(at, 1);
}

/** The layer with the focus, or the one that opened last. */
const innermost = () => open.findLast(({ element }) => element.contains(document.activeElement)) ?? open.at(-1);

addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog[open], :popover-open")) return;
  innermost()?.close();
});
