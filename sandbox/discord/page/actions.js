/** The menu of a message: react, reply, forward, the bot's message commands, copy its id or link, delete it. */
import { h, rove } from "./dom.js";
import { emojiElement, emojiName, typedEmoji } from "./emoji.js";
import { inLanguage } from "./languages.js";
import { Menu } from "./menu.js";
import { FLAG, has } from "./messages.js";

/** The bot's fixed gestures, then a server's default edits; the server's own emoji follow. */
const QUICK = ["✏️", "🔁", "✉️", "❌", "🙈", "🚩", "⭐", "🎨", "🌙", "❄️", "🕹️", "🎬", "🧸", "🗿"];
const MESSAGE_COMMAND = 3; // application command type

export class Actions {
  #session;
  #ask;
  #toast;
  #reply;
  #menu = new Menu("Message actions");
  #isSuper = false; // whether the next reaction is a super reaction

  /** `reply(message)` makes the next message a reply to this one. */
  constructor({ session, ask, toast, reply }) {
    this.#session = session;
    this.#ask = ask;
    this.#toast = toast;
    this.#reply = reply;
  }

  open(message, anchor) {
    this.#menu.open(anchor, this.#reactions(message), this.#items(message, anchor));
  }

  #reactions(message) {
    if (has(message, FLAG.ephemeral)) return null; // Discord does not allow reactions to these
    this.#isSuper = false;
    const react = (name) => this.#do(message, this.#isMine(message, name) ? "unreact" : "react", { emoji: name, burst: this.#isSuper });
    const quick = [...QUICK.map((name) => ({ name })), ...this.#session.emojis];
    const palette = h("div.palette", { role: "group", "aria-label": "React" }, quick.map((emoji, at) => this.#quick(message, emoji, at, react)));
    rove(palette, "button", { next: "ArrowRight", previous: "ArrowLeft" });
    palette.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowDown") return;
      event.preventDefault();
      this.#menu.focusItems();
    });
    const input = h("input", { type: "text", "aria-label": "Another emoji", placeholder: "Another emoji…", maxlength: 60 });
    const submit = (event) => {
      event.preventDefault();
      if (input.value.trim()) react(typedEmoji(this.#session, input.value.trim()));
    };
    const own = h("form.own-emoji-form", { onsubmit: submit }, input, h("button.secondary", { type: "submit" }, "React"));
    return [palette, this.#superSwitch(), own];
  }

  #superSwitch() {
    const toggle = h("button.switch", {
      type: "button", role: "switch", "aria-checked": "false", "aria-labelledby": "super-reaction",
      onclick: () => toggle.setAttribute("aria-checked", String((this.#isSuper = !this.#isSuper))),
    });
    return h("div.super-switch", {}, h("span", { id: "super-reaction" }, "Super reaction"), toggle);
  }

  #quick(message, emoji, at, react) {
    const name = emojiName(emoji);
    const state = {
      tabindex: at ? -1 : 0, "aria-label": `React with ${emoji.id ? `:${emoji.name}:` : emoji.name}`,
      "aria-pressed": this.#isMine(message, name) ? "true" : "false",
    };
    return h("button.emoji", { type: "button", ...state, onclick: () => react(name) }, emojiElement(this.#session, emoji));
  }

  #isMine(message, name) {
    const mine = ({ me, me_burst: burst }) => (this.#isSuper ? burst : me);
    return Boolean(message.reactions?.some((reaction) => mine(reaction) && emojiName(reaction.emoji) === name));
  }

  #items(message, anchor) {
    const { you, bot } = this.#session;
    const commands = this.#session.offered(MESSAGE_COMMAND).map((command) => this.#menu.item(
      inLanguage(command, "name", you.locale),
      () => this.#do(message, "menu", { command: command.name }),
      { mark: bot?.name },
    ));
    const whole = !has(message, FLAG.ephemeral);
    return [
      commands,
      whole && this.#menu.item("Reply", () => this.#reply(message)),
      whole && this.#menu.item("Forward…", () => this.#chooseTarget(message, anchor)),
      whole && this.#menu.item("Copy message link", () => this.#copy(this.#session.linkTo(message), "link")),
      this.#menu.item("Copy message ID", () => this.#copy(message.id, "ID")),
      this.#mayDelete(message) && this.#menu.item(whole ? "Delete message" : "Dismiss", () => this.#do(message, "delete"), { danger: true }),
    ];
  }

  /** The channels that a message can be forwarded to: all that this person sees. */
  #chooseTarget(message, anchor) {
    const nameOf = ({ kind, name }) => (["text", "elsewhere"].includes(kind) ? `#${name}` : name);
    const items = this.#session.channels.map((channel) => this.#menu.item(nameOf(channel), () => this.#forward(message, channel.id, nameOf(channel))));
    this.#menu.open(anchor, h("strong.menu-title", {}, "Forward to"), items);
  }

  async #forward(message, to, name) {
    if (await this.#do(message, "forward", { to })) this.#toast(`Forwarded to ${name}.`);
  }

  #copy(text, what) {
    return navigator.clipboard.writeText(text).then(
      () => this.#toast(`Copied the message ${what}.`),
      () => this.#toast(`The ${what} is ${text}`),
    );
  }

  #mayDelete(message) {
    const { you } = this.#session;
    return message.author.id === you.id || has(message, FLAG.ephemeral) || (you.moderator && this.#session.channel()?.kind === "text");
  }

  async #do(message, what, fields = {}) {
    this.#menu.close();
    const asked = this.#ask(what, { channel_id: message.channel_id, message_id: message.id, ...fields });
    return asked.catch((problem) => void this.#toast(problem.message, { wrong: true }));
  }
}
