/** A menu, and what belongs beside it, in a popover next to its anchor, or a sheet at the bottom of a narrow window. Escape or a press elsewhere closes it. */
import { fill, h, place, rove } from "./dom.js";
import { returnTo } from "./focus.js";

const TALLEST_PX = 560;
const NARROW = matchMedia("(max-width: 700px)");

export class Menu {
  #element;
  #label;
  #anchor = null;
  #goBack = () => {};

  constructor(label) {
    this.#label = label;
    this.#element = h("div.menu", { role: "dialog", "aria-label": label, popover: "auto" });
    rove(this.#element, "[role^=menuitem]");
    this.#element.addEventListener("toggle", (event) => event.newState === "closed" && this.#closed());
    document.body.append(this.#element);
  }

  /** Show these contents next to `anchor` and focus the first control. */
  open(anchor, ...contents) {
    this.#anchor = anchor;
    this.#goBack = returnTo(anchor);
    fill(this.#element, this.#grouped(contents));
    this.#element.showPopover();
    anchor.classList.add("open");
    this.#element.classList.toggle("sheet", NARROW.matches);
    if (NARROW.matches) this.#element.removeAttribute("style");
    else place(this.#element, anchor, { tallestPx: TALLEST_PX });
    this.#element.querySelector("button, input")?.focus({ preventScroll: true });
  }

  /** Items must be in a menu, and titles, emoji and forms must not be. */
  #grouped(contents) {
    const parts = [];
    const roleOf = (part) => part?.getAttribute("role");
    for (const part of contents.flat(Infinity).filter(Boolean)) {
      if (!roleOf(part)?.startsWith("menuitem")) parts.push(part);
      else if (roleOf(parts.at(-1)) === "menu") parts.at(-1).append(part);
      else parts.push(h("div", { role: "menu", "aria-label": this.#label }, part));
    }
    return parts;
  }

  close() {
    if (this.#element.matches(":popover-open")) this.#element.hidePopover();
    if (this.#anchor?.isConnected) this.#anchor.focus({ preventScroll: true });
    else this.#goBack();
  }

  #closed() {
    this.#anchor?.classList.remove("open");
    this.#goBack();
  }

  /** Focus the first item; for controls above the items. */
  focusItems() {
    this.#element.querySelector("[role^=menuitem]")?.focus();
  }

  /** One item of the menu; choosing it closes the menu. With `checked` it is a checkbox. */
  item(label, run, { mark = null, danger = false, checked = null } = {}) {
    const press = () => {
      this.close();
      run();
    };
    const state = checked === null ? { role: "menuitem" } : { role: "menuitemcheckbox", "aria-checked": checked ? "true" : "false" };
    return h(danger ? "button.danger-text" : "button",
      { type: "button", ...state, tabindex: -1, onclick: press },
      h("span", {}, label),
      mark && h("small", {}, mark),
    );
  }
}
