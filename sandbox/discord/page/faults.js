/** The panel of what can go wrong outside of the bot: four stories, and every named fault with a switch of its own. */
import { fill, find, freshId, h, icon } from "./dom.js";
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
  #stories = h("ul.stories", { "aria-label": "Stories" });
  #summary = h("summary", {});
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
    const intro = h("p.subtext", {}, "Break what Easel depends on, and see what a member sees.");
    fill(
      this.#drawer,
      h("header", {}, h("h2", { id: "faults-title" }, "Faults"), close),
      h("div.fault-intro", {}, intro, this.#calm),
      h("div.fault-lists", {}, this.#stories, h("details.all-faults", {}, this.#summary, this.#groups)),
    );
    this.#opener.addEventListener("click", () => this.#show(this.#drawer.hidden));
    session.on("hello faults", () => this.#draw());
  }

  open() {
    this.#show(true);
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
    const { faults, stories } = this.#session;
    const on = faults.filter((fault) => fault.on);
    const count = on.length > 0 && h("b.count", { "aria-label": `${on.length} on` }, on.length);
    fill(this.#opener, icon("faults"), h("span", {}, "Faults"), count);
    this.#calm.disabled = !on.length;
    const focused = document.activeElement?.dataset?.key;
    const names = new Set(on.map(({ name }) => name));
    fill(this.#stories, stories.map((story) => this.#story(story, names)));
    fill(this.#summary, `All faults (${faults.length})`);
    fill(this.#groups, SIDES.map(([side, title]) => this.#group(title, faults.filter((fault) => fault.side === side))));
    if (focused) this.#drawer.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }

  /** A story is on while one of its faults is. */
  #story({ name, title, sentence, faults }, names) {
    const on = Object.keys(faults).some((fault) => names.has(fault));
    const change = () => Promise.all(Object.entries(faults).map(([fault, times]) => this.#set(fault, !on, on ? null : times)));
    return this.#row({ key: `story-${name}`, on, change, text: h("strong", {}, title), more: h("p", {}, sentence) });
  }

  #group(title, faults) {
    return h("section", { "aria-label": title }, h("h3", {}, title), h("ul", {}, faults.map((fault) => this.#fault(fault))));
  }

  #fault({ name, meaning, on, times }) {
    const left = on && times !== null && times !== undefined && h("small.left", {}, times === 1 ? "once more" : `${times} more times`);
    const once = h("button.text-button",
      {
        type: "button", "aria-label": `Once: ${meaning}`, dataset: { key: `${name}-once` },
        onclick: () => this.#set(name, true, 1),
      },
      "once",
    );
    return this.#row({ key: name, on, change: () => this.#set(name, !on), text: meaning, more: h("small", {}, name), beside: left || once });
  }

  /** A line with a switch that is named by its text. */
  #row({ key, on, change, text, more, beside = null }) {
    const [label, rest] = [freshId("fault"), freshId("fault")];
    const toggle = h("button.switch", {
      type: "button", role: "switch", "aria-checked": on ? "true" : "false", "aria-labelledby": label, "aria-describedby": rest,
      dataset: { key }, onclick: change,
    });
    return h(
      on ? "li.on" : "li",
      {},
      h("div", {}, h("div", { id: label }, text), h("div", { id: rest }, more)),
      h("div.fault-switch", {}, beside, toggle),
    );
  }

  #set(name, on, times = null) {
    return this.#ask("fault", { name, on, times }).catch((problem) => this.#toast(problem.message, { wrong: true }));
  }

  #allOff() {
    for (const { name } of this.#session.faults.filter((fault) => fault.on)) this.#set(name, false);
  }
}
