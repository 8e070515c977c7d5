/** A person's own settings: the language of their client, direct messages, and membership of the server. */
import { fill, find, h, icon } from "./dom.js";
import { LANGUAGES } from "./languages.js";
import { picker } from "./listbox.js";

export class Settings {
  #session;
  #ask;
  #toast;
  #language = h("div.stacked", {});
  #dms;
  #coming;
  #title = h("span", {});

  constructor({ session, ask, toast }) {
    this.#session = session;
    this.#ask = ask;
    this.#toast = toast;
    this.#dms = h("input", { type: "checkbox", onchange: () => this.#set("dms", { open: this.#dms.checked }) });
    this.#coming = h("button.secondary", { type: "button", onclick: () => this.#comeOrGo() });
    const summary = h("summary", {}, icon("sliders"), this.#title);
    const form = h("div.settings", {},
      this.#language,
      h("label.check", {}, this.#dms, "Allow DMs"),
      this.#coming,
    );
    fill(find("settings"), h("details.join", {}, summary, form));
    session.on("hello people", () => this.#draw());
  }

  #draw() {
    const { you } = this.#session;
    this.#title.textContent = `${you.name}'s settings`;
    fill(this.#language, h("span", { "aria-hidden": "true" }, "Language"), this.#languages(you.locale));
    this.#dms.checked = you.dms;
    this.#coming.textContent = you.member ? "Leave the server" : "Rejoin the server";
  }

  #languages(spoken) {
    const items = LANGUAGES.map(([code, name]) => ({ value: code, label: name, selected: code === spoken }));
    return picker({ label: "Language", items, onDone: ([locale]) => this.#set("locale", { locale }) }).element;
  }

  #comeOrGo() {
    const { you } = this.#session;
    return you.member ? this.#set("leave") : this.#set("join", { name: you.name, moderator: false });
  }

  #set(what, fields = {}) {
    return this.#ask(what, fields).catch((problem) => this.#toast(problem.message, { wrong: true })).finally(() => this.#draw());
  }
}
