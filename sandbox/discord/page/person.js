/** The menu of a person: the bot's user commands, and their roles for people with Manage Server. */
import { h } from "./dom.js";
import { inLanguage } from "./languages.js";
import { Menu } from "./menu.js";
import { disc } from "./names.js";

const USER_COMMAND = 2; // application command type

export class PersonMenu {
  #session;
  #ask;
  #toast;
  #become;
  #menu = new Menu("Person");

  constructor({ session, ask, toast, become }) {
    this.#session = session;
    this.#ask = ask;
    this.#toast = toast;
    this.#become = become;
  }

  open(id, anchor) {
    const person = this.#session.person(id);
    if (person) this.#menu.open(anchor, this.#head(person), this.#commands(person), this.#roles(person), this.#rest(person));
  }

  #head(person) {
    const roles = this.#session.roles.filter(({ id }) => person.roles.includes(id));
    const what = person.bot ? "the bot" : person.member ? person.about || "member" : "not in the server";
    const explained = person.bot ? [] : roles.map(({ name, about }) => h("small", {}, [name, about].filter(Boolean).join(": ")));
    return h("div.menu-head", {},
      disc(this.#session, person.id, person.name),
      h("div", {}, h("strong", {}, person.name), h("small", {}, what), explained),
    );
  }

  #commands(person) {
    const { you, bot } = this.#session;
    return this.#session.offered(USER_COMMAND).map((command) => this.#menu.item(
      inLanguage(command, "name", you.locale),
      () => this.#do("menu", { channel_id: this.#session.channelId, user_id: person.id, command: command.name }),
      { mark: bot?.name },
    ));
  }

  #roles(person) {
    if (!this.#session.you.manages || person.bot || !person.member) return null;
    const given = this.#session.roles.filter(({ name }) => name !== this.#session.bot.name); // the bot's own role cannot be given to others
    return given.map(({ id, name }) => {
      const has = person.roles.includes(id);
      return this.#menu.item(name, () => this.#do("role", { name: person.name, role: name, on: !has }), { mark: "role", checked: has });
    });
  }

  #rest(person) {
    const copied = () => this.#toast(`Copied the user ID of ${person.name}.`);
    const shown = () => this.#toast(`User ID: ${person.id}`);
    return [
      !person.bot && person.id !== this.#session.you.id && this.#menu.item(`Be ${person.name}`, () => this.#become(person.name)),
      this.#menu.item("Copy user ID", () => navigator.clipboard.writeText(person.id).then(copied, shown)),
    ];
  }

  #do(what, fields) {
    return this.#ask(what, fields).catch((problem) => this.#toast(problem.message, { wrong: true }));
  }
}
