/** A list of choices in a popover. The focus stays on the owner, whose `aria-activedescendant` points into the list. */
import { fill, freshId, h, icon, place } from "./dom.js";

/** item: {value, label, detail?, mark?, selected?} */
export class Listbox {
  #owner;
  #items = [];
  #active = -1;
  #onPick;
  #place;
  #isCombobox;

  /** `owner` is the element with the focus, a combobox if it is a button (a text area can't be one); the list is added to `home`, so that it also works inside a dialog. */
  constructor({ owner, home, label, onPick, anchor = owner, above = false, fullWidth = false, multiple = false }) {
    this.#owner = owner;
    this.#onPick = onPick;
    this.element = h("ul.listbox", {
      id: freshId("list"), role: "listbox", "aria-label": label, popover: "manual", "aria-multiselectable": multiple && "true",
    });
    this.#place = () => place(this.element, anchor, { above, fullWidth });
    this.#isCombobox = owner.tagName === "BUTTON";
    if (this.#isCombobox) owner.setAttribute("role", "combobox");
    owner.setAttribute("aria-haspopup", "listbox");
    owner.setAttribute("aria-controls", this.element.id);
    this.#expand(false);
    // Pressing a choice must not move the focus from the owner, because that closes the list.
    this.element.addEventListener("pointerdown", (event) => event.preventDefault());
    owner.addEventListener("blur", () => this.hide());
    new ResizeObserver(() => this.open && this.#place()).observe(anchor); // the window may turn
    home.append(this.element);
  }

  get open() {
    return this.element.matches(":popover-open");
  }

  get active() {
    return this.#items[this.#active];
  }

  /** Show these items; the selected one, or the first, is active. Without items, show the text `empty`. */
  show(items, { empty = null, active = null } = {}) {
    this.#items = items;
    if (!items.length && !empty) return this.hide();
    fill(this.element, items.length ? items.map((item, at) => this.#option(item, at)) : h("li.empty", { role: "option", "aria-disabled": "true" }, empty));
    this.element.tabIndex = items.length && !this.#isCombobox ? 0 : -1; // what scrolls must have a tab stop, or belong to a combobox
    if (!this.open) this.element.showPopover();
    this.#expand(true);
    this.#place();
    const selected = items.findIndex((item) => item.selected);
    this.#activate(items.length ? (active ?? Math.max(0, selected)) : -1);
  }

  hide() {
    if (this.open) this.element.hidePopover();
    this.#expand(false);
    this.#owner.removeAttribute("aria-activedescendant");
    this.#active = -1;
  }

  /** Handle a key of the owner. Returns whether the list used it. */
  key(event) {
    if (!this.open) return false;
    const last = this.#items.length - 1;
    const to = {
      ArrowDown: this.#active + 1, ArrowUp: this.#active - 1, PageDown: this.#active + 6, PageUp: Math.max(0, this.#active - 6),
    }[event.key];
    if (to !== undefined) this.#activate(to > last ? (event.key === "PageDown" ? last : 0) : to < 0 ? last : to);
    else if (event.key === "Escape") this.hide();
    else if ((event.key === "Enter" || event.key === "Tab") && this.active) return this.#choose(event);
    else return false;
    event.preventDefault();
    event.stopPropagation();
    return true;
  }

  /** Make the first item that starts with these letters active. */
  seek(letters) {
    const at = this.#items.findIndex((item) => item.label.toLowerCase().startsWith(letters.toLowerCase()));
    if (at >= 0) this.#activate(at);
  }

  #expand(open) {
    if (this.#isCombobox) this.#owner.setAttribute("aria-expanded", open ? "true" : "false");
  }

  #choose(event) {
    if (event.key === "Enter") event.preventDefault();
    event.stopPropagation();
    this.#onPick(this.active, event);
    return true;
  }

  #activate(at) {
    this.#active = at;
    for (const [index, element] of [...this.element.children].entries()) element.classList.toggle("active", index === at);
    const element = this.element.children[at];
    if (at < 0 || !element?.id) return this.#owner.removeAttribute("aria-activedescendant");
    this.#owner.setAttribute("aria-activedescendant", element.id);
    return element.scrollIntoView({ block: "nearest" });
  }

  #option(item, at) {
    const attributes = {
      id: `${this.element.id}-${at}`,
      role: "option",
      "aria-selected": item.selected ? "true" : "false",
      onpointermove: () => this.#active === at || this.#activate(at),
      onclick: (event) => this.#onPick(item, event),
    };
    return h("li",
      attributes,
      item.mark && h("span.mark", {}, item.mark),
      h("span.label", {}, item.label),
      item.detail && h("span.detail", {}, item.detail),
      item.selected && icon("check"),
    );
  }
}

/**
 * A button that opens a list of choices; several may be chosen if `max` is greater than 1.
 * `onDone(values)` is called once, when the list closes with a changed choice.
 */
export function picker({ label, placeholder = "Choose…", items, min = 1, max = 1, disabled = false, onDone = () => {} }) {
  let values = items.filter((item) => item.selected).map((item) => item.value);
  let before = values;
  const text = h("span.picker-text", {});
  const button = h("button.picker", { type: "button", disabled, "aria-label": label }, text, icon("down"));
  const element = h("div.picker-frame", {}, button);
  const list = new Listbox({ owner: button, home: element, label: label ?? placeholder, onPick: pick, fullWidth: true, multiple: max > 1 });

  function draw() {
    const chosen = items.filter((item) => values.includes(item.value));
    fill(text, chosen.length ? chosen.map((item) => [item.mark, item.label].filter(Boolean).join(" ")).join(", ") : placeholder);
    text.classList.toggle("empty", !chosen.length);
    button.setAttribute("aria-description", text.textContent);
  }
  const shown = () => items.map((item) => ({ ...item, selected: values.includes(item.value) }));

  function pick(item, event) {
    if (max === 1) values = values.includes(item.value) && min === 0 ? [] : [item.value];
    else if (values.includes(item.value)) values = values.filter((value) => value !== item.value);
    else if (values.length < max) values = [...values, item.value];
    draw();
    if (max > 1) return list.show(shown(), { active: items.findIndex((other) => other.value === item.value) });
    list.hide();
    return finish();
  }
  function finish() {
    if (values.length < min || values.join("\n") === before.join("\n")) return;
    before = values;
    onDone(values);
  }
  function toggle() {
    if (!list.open) return list.show(shown());
    list.hide();
    return finish();
  }

  button.addEventListener("click", toggle);
  button.addEventListener("blur", finish);
  button.addEventListener("keydown", (event) => {
    if (event.key === "Tab") return; // losing the focus closes the list and keeps the choice
    if (list.key(event)) return void (event.key === "Escape" && finish());
    const space = event.key === " ";
    if (list.open && event.key.length === 1 && !space) return list.seek(event.key);
    if (list.open ? !space : !["ArrowDown", "ArrowUp"].includes(event.key)) return;
    event.preventDefault();
    if (list.open) pick(list.active, event);
    else toggle();
  });
  draw();
  return { element, focus: () => button.focus(), read: () => values, button };
}
