/** What can be done with one message: react, the bot's message commands, copy its id, delete it. */
import { fill, h, icon, place, rove } from "./dom.js";
import { FLAG, has } from "./messages.js";

const PALETTE = ["✏️", "🔁", "✉️", "❌", "🙈", "🚩", "⭐", "👍"];
const MESSAGE_COMMAND = 3; // application command type
const NARROW = matchMedia("(max-width: 700px)");

export class Actions {
  #studio;
  #ask;
  #toast;
  #menu;
  #anchor = null;

  constructor({ studio, ask, toast }) {
    this.#studio = studio;
    this.#ask = ask;
    this.#toast = toast;
    this.#menu = h("div.menu", { role: "menu", "aria-label": "Message actions", popover: "auto" });
    rove(this.#menu, "[role=menuitem]");
    this.#menu.addEventListener("toggle", (event) => event.newState === "closed" && this.#anchor?.classList.remove("open"));
    document.body.append(this.#menu);
  }

  /** Open beside `anchor`; on a narrow window as a sheet at the bottom. Escape and a press elsewhere close it. */
  open(message, anchor) {
    this.#anchor = anchor;
    fill(this.#menu, this.#reactions(message), this.#items(message));
    this.#menu.showPopover();
    anchor.classList.add("open");
    this.#menu.classList.toggle("sheet", NARROW.matches);
    if (NARROW.matches) this.#menu.removeAttribute("style");
    else place(this.#menu, anchor);
    this.#menu.querySelector("button").focus({ preventScroll: true });
  }

  #reactions(message) {
    if (has(message, FLAG.ephemeral)) return null; // Discord takes no reactions there
    const pressed = (emoji) => message.reactions?.some((reaction) => reaction.me && reaction.emoji.name === emoji);
    const react = (emoji) => this.#do(message, pressed(emoji) ? "unreact" : "react", { emoji });
    const one = (emoji, at) => {
      const state = { tabindex: at ? -1 : 0, "aria-label": `React with ${emoji}`, "aria-pressed": pressed(emoji) ? "true" : "false" };
      return h("button.emoji", { type: "button", ...state, onclick: () => react(emoji) }, emoji);
    };
    const palette = h("div.palette", { role: "group", "aria-label": "React" }, PALETTE.map(one));
    rove(palette, "button", { next: "ArrowRight", previous: "ArrowLeft" });
    palette.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowDown") return;
      event.preventDefault();
      this.#menu.querySelector("[role=menuitem]")?.focus();
    });
    const input = h("input", { type: "text", "aria-label": "Another emoji", placeholder: "Another emoji…", maxlength: 60 });
    const submit = (event) => {
      event.preventDefault();
      if (input.value.trim()) react(input.value.trim());
    };
    return [palette, h("form.own-emoji", { onsubmit: submit }, input, h("button.secondary", { type: "submit" }, "React"))];
  }

  #items(message) {
    const commands = this.#studio.commands.filter(({ type }) => type === MESSAGE_COMMAND);
    const copy = () => navigator.clipboard.writeText(message.id).then(
      () => this.#toast("The message's id is copied."),
      () => this.#toast(`The id is ${message.id}`),
    );
    const remove = has(message, FLAG.ephemeral) ? "Dismiss" : "Delete message";
    return [
      commands.map((command) => this.#item(
        command.name,
        () => this.#do(message, "menu", { command: command.name }),
        { mark: this.#studio.bot?.name },
      )),
      this.#item("Copy message ID", copy),
      this.#mayDelete(message) && this.#item(remove, () => this.#do(message, "delete"), { danger: true }),
    ];
  }

  #mayDelete(message) {
    const { you } = this.#studio;
    return message.author.id === you.id || has(message, FLAG.ephemeral) || (you.moderator && this.#studio.channel()?.kind === "text");
  }

  #item(label, run, { mark = null, danger = false } = {}) {
    const press = () => {
      this.#menu.hidePopover();
      run();
    };
    return h(
      danger ? "button.danger-text" : "button",
      { type: "button", role: "menuitem", tabindex: -1, onclick: press },
      h("span", {}, label),
      mark && h("small", {}, mark),
    );
  }

  async #do(message, what, fields = {}) {
    if (this.#menu.matches(":popover-open")) this.#menu.hidePopover();
    this.#anchor?.focus({ preventScroll: true });
    const asked = this.#ask(what, { channel_id: message.channel_id, message_id: message.id, ...fields });
    await asked.catch((problem) => this.#toast(problem.message, { wrong: true }));
  }
}
