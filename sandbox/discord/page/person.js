/** What can be done with one person: the bot's user commands, their roles for those who manage the server. */
import { h } from "./dom.js";
import { inLanguage } from "./languages.js";
import { Menu } from "./menu.js";
import { disc } from "./names.js";

const USER_COMMAND = 2; // application command type

export class PersonMenu {
  #studio;
  #ask;
  #toast;
  #become;
  #menu = new Menu("Person");

  constructor({ studio, ask, toast, become }) {
    this.#studio = studio;
    this.#ask = ask;
    this.#toast = toast;
    this.#become = become;
  }

  open(id, anchor) {
    const person = this.#studio.person(id);
    if (person) this.#menu.open(anchor, this.#head(person), this.#commands(person), this.#roles(person), this.#rest(person));
  }

  #head(person) {
    const roles = this.#studio.roles.filter(({ id }) => person.roles.includes(id)).map(({ name }) => name);
    const what = person.bot ? ["bot"] : person.member ? roles : ["not in the server"];
    return h("div.menu-head", {},
      disc(this.#studio, person.id, person.name),
      h("div", {}, h("strong", {}, person.name), h("small", {}, what.join(" · ") || "member")),
    );
  }

  #commands(person) {
    const { you, bot } = this.#studio;
    return this.#studio.offered(USER_COMMAND).map((command) => this.#menu.item(
      inLanguage(command, "name", you.locale),
      () => this.#do("menu", { channel_id: this.#studio.channelId, user_id: person.id, command: command.name }),
      { mark: bot?.name },
    ));
  }

  #roles(person) {
    if (!this.#studio.you.manages || person.bot || !person.member) return null;
    const given = this.#studio.roles.filter(({ name }) => name !== this.#studio.bot.name); // the bot's own role is nobody else's
    return given.map(({ id, name }) => {
      const has = person.roles.includes(id);
      return this.#menu.item(name, () => this.#do("role", { name: person.name, role: name, on: !has }), { mark: "role", checked: has });
    });
  }

  #rest(person) {
    const copied = () => this.#toast(`The id of ${person.name} is copied.`);
    const shown = () => this.#toast(`The id is ${person.id}`);
    return [
      !person.bot && person.id !== this.#studio.you.id && this.#menu.item(`Be ${person.name}`, () => this.#become(person.name)),
      this.#menu.item("Copy user ID", () => navigator.clipboard.writeText(person.id).then(copied, shown)),
    ];
  }

  #do(what, fields) {
    return this.#ask(what, fields).catch((problem) => this.#toast(problem.message, { wrong: true }));
  }
}
