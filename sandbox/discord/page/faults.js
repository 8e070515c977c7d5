/** The panel of named faults of the image APIs and of Discord, each with a switch. */
import { fill, find, h, icon } from "./dom.js";
import { closed, opened } from "./escape.js";

const SIDES = [
  ["images", "Image API"],
  ["moderations", "Moderations endpoint"],
  ["discord", "Discord"],
];

export class Faults {
  #session;
  #ask;
  #toast;
  #drawer = find("faults");
  #opener = find("faults-open");
  #groups = h("div.fault-groups", {});
  #calm;

  constructor({ session, ask, toast }) {
    this.#session = session;
    this.#ask = ask;
    this.#toast = toast;
    this.#calm = h("button.secondary", { type: "button", onclick: () => this.#allOff() }, "Turn all off");
    const close = h("button.icon-button",
      { type: "button", "aria-label": "Close faults", onclick: () => this.#show(false) },
      icon("close"),
    );
    const intro = h("p.subtext", {}, "Turn on faults and see how the bot handles them.");
    fill(
      this.#drawer,
      h("header", {}, h("h2", { id: "faults-title" }, "Faults"), close),
      h("div.fault-intro", {}, intro, this.#calm),
      this.#groups,
    );
    this.#opener.addEventListener("click", () => this.#show(this.#drawer.hidden));
    session.on("hello faults", () => this.#draw());
  }

  #show(open) {
    this.#drawer.hidden = !open;
    this.#opener.setAttribute("aria-expanded", open);
    if (open) {
      opened(this.#drawer, () => this.#show(false));
      this.#drawer.querySelector("button").focus();
    } else {
      closed(this.#drawer);
      this.#opener.focus();
    }
  }

  #draw() {
    const on = this.#session.faults.filter((fault) => fault.on);
    fill(
      this.#opener,
      icon("faults"),
      h("span", {}, "Faults"),
      on.length > 0 && h("b.count", { "aria-label": `${on.length} on` }, on.length),
    );
    this.#calm.disabled = !on.length;
    const focused = document.activeElement?.dataset?.key;
    fill(this.#groups, SIDES.map(([side, title]) => this.#group(title, this.#session.faults.filter((fault) => fault.side === side))));
    if (focused) this.#groups.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }

  #group(title, faults) {
    return h("section", { "aria-label": title }, h("h3", {}, title), h("ul", {}, faults.map((fault) => this.#fault(fault))));
  }

  #fault({ name, meaning, on, times }) {
    const label = `${name}-meaning`;
    const left = on && times !== null && times !== undefined && h("small.left", {}, times === 1 ? "once more" : `${times} more times`);
    const once = h("button.text-button",
      {
        type: "button", "aria-label": `Once: ${meaning}`, dataset: { key: `${name}-once` },
        onclick: () => this.#set(name, true, 1),
      },
      "once",
    );
    const toggle = h("button.switch", {
      type: "button", role: "switch", "aria-checked": on ? "true" : "false", "aria-labelledby": label,
      dataset: { key: name, fault: name }, onclick: () => this.#set(name, !on),
    });
    return h(
      on ? "li.on" : "li",
      {},
      h("div", { id: label }, meaning, h("small", {}, name)),
      h("div.fault-switch", {}, left || once, toggle),
    );
  }

  #set(name, on, times = null) {
    return this.#ask("fault", { name, on, times }).catch((problem) => this.#toast(problem.message, { wrong: true }));
  }

  #allOff() {
    for (const { name } of this.#session.faults.filter((fault) => fault.on)) this.#set(name, false);
  }
}
