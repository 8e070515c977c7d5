/** The bot's permissions, in the shown channel and in the whole server, for people with Manage Server. */
import { fill, find, h, icon } from "./dom.js";
import { Menu } from "./menu.js";

/** discord.py's names of permissions and their titles in Discord's settings. Server-wide ones do not apply to one channel. */
const HERE = {
  view_channel: "View Channel", send_messages: "Send Messages", send_messages_in_threads: "Send Messages in Threads",
  attach_files: "Attach Files", embed_links: "Embed Links", read_message_history: "Read Message History", add_reactions: "Add Reactions",
  manage_messages: "Manage Messages",
};
const EVERYWHERE = { manage_messages: "Manage Messages", manage_guild: "Manage Server" };

export class Permissions {
  #session;
  #ask;
  #toast;
  #button = find("permissions-open");
  #menu = new Menu("What the bot may do");

  constructor({ session, ask, toast }) {
    this.#session = session;
    this.#ask = ask;
    this.#toast = toast;
    fill(this.#button, icon("shield"));
    this.#button.addEventListener("click", () => this.#open());
    session.on("hello show channels people", () => this.#draw());
  }

  #draw() {
    this.#button.hidden = !this.#session.you.manages || this.#session.channel()?.kind !== "text";
  }

  #open() {
    const { bot } = this.#session;
    const { id, name, bot_may: may } = this.#session.channel();
    const here = (permission, on) => this.#set("permit", { channel_id: id, permission, on });
    const everywhere = (permission, on) => this.#set("bot_role", { permission, on });
    this.#menu.open(this.#button,
      h("h2.menu-title", {}, `${bot.name} in #${name}`),
      this.#items(HERE, may, here),
      h("h2.menu-title", {}, `${bot.name} in the whole server`),
      this.#items(EVERYWHERE, bot.may, everywhere),
    );
  }

  #items(names, may, set) {
    return Object.entries(names).map(([permission, label]) => {
      const on = may.includes(permission);
      return this.#menu.item(label, () => set(permission, !on), { checked: on });
    });
  }

  #set(what, fields) {
    return this.#ask(what, fields).catch((problem) => this.#toast(problem.message, { wrong: true }));
  }
}
