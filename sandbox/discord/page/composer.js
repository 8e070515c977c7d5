/** The message box: plain messages with files or a sticker, what another bot posts, `/` for the bot's commands, `@` for names. */
import { fill, h, icon } from "./dom.js";
import { closed, opened } from "./escape.js";
import { CommandForm, runnable } from "./command.js";
import { PART } from "./parts.js";
import { Listbox } from "./listbox.js";
import { mentionItems, withMentions } from "./mentions.js";
import { Menu } from "./menu.js";
import { Uploads, filesOf } from "./uploads.js";

export class Composer {
  #root;
  #session;
  #connection;
  #draft;
  #uploads;
  #commands;
  #problem;
  #reply = h("p.replying", {});
  #more = new Menu("More to send");
  #answered = null;
  #plain;
  #form = null;
  #drafts = new Map();
  #channel = null;

  constructor({ root, session, connection }) {
    this.#root = root;
    this.#session = session;
    this.#connection = connection;
    this.#build();
    session.on("hello show", () => this.#settle());
    // The bot's commands, or the language in which they are shown, may have changed.
    session.on("commands people", () => this.#draft?.isConnected && this.#draft === document.activeElement && this.#offer());
    this.#acceptFiles();
  }

  /** Focus the message box, or the first field of the open command. */
  focus() {
    if (this.#form) this.#form.start();
    else this.#draft.focus();
  }

  /** Focus the message box, and open the list of commands if the box is empty. */
  slash() {
    if (this.#form) return this.#form.start();
    this.#draft.value ||= "/";
    this.#draft.focus();
    return this.#typed();
  }

  /** A command's name in this person's language, by its path; null if they cannot run it here. */
  labelOf(path) {
    return runnable(this.#session).find(({ name }) => name === path)?.label ?? null;
  }

  /** Put a command into the message box, as a click on its mention does. */
  open(path) {
    const command = runnable(this.#session).find(({ name }) => name === path);
    if (command) this.#choose(command);
  }

  /** Put a command into the message box with its first text and files. */
  prepare(path, { text = "", files = [] }) {
    this.open(path);
    this.#form?.start(text);
    this.#form?.take(files);
  }

  /** Make the next message a reply to this one. */
  reply(message) {
    if (this.#form) this.#leave();
    this.#answer(message);
    this.#draft.focus();
  }

  #answer(message) {
    this.#answered = message;
    const name = message && this.#session.nameOf(message.author.id, message.author);
    const giveUp = () => {
      this.#answer(null);
      this.#draft.focus();
    };
    const close = h("button.icon-button", { type: "button", "aria-label": "Cancel reply", onclick: giveUp }, icon("close"));
    fill(this.#reply, message && [icon("reply"), h("span", {}, "Replying to ", h("strong", {}, name)), close]);
  }

  #build() {
    this.#uploads = new Uploads({ onChange: () => this.#draft && this.#draw() });
    this.#problem = h("p.problem", { role: "alert" });
    const listeners = { oninput: () => this.#typed(), onkeydown: (event) => this.#key(event), onfocus: () => this.#offer() };
    this.#draft = h("textarea", {
      id: "draft", rows: 1, autocomplete: "off", maxlength: 2000, "aria-label": "Message", "aria-autocomplete": "list",
      ...listeners,
    });
    const attach = h("button.icon-button",
      { type: "button", "aria-label": "Attach files", onclick: () => this.#uploads.pick() },
      icon("plus"),
    );
    const more = h("button.icon-button",
      { type: "button", "aria-label": "More to send", "aria-haspopup": "dialog", onclick: () => this.#offerMore(more) },
      icon("sticker"),
    );
    const send = h("button.icon-button.send", { type: "submit", "aria-label": "Send" }, icon("send"));
    const line = h("div.draft-line", {}, attach, more, this.#draft, send);
    this.#plain = h("form.plain", { onsubmit: (event) => this.#say(event) }, this.#reply, this.#uploads.element, line, this.#problem);
    fill(this.#root, this.#plain);
    this.#commands = new Listbox({
      owner: this.#draft, home: this.#plain, anchor: line, label: "Suggestions", above: true, fullWidth: true,
      onPick: (item) => (item.pick ? item.pick() : this.#choose(item.value)),
    });
    this.#commands.element.classList.add("commands");
  }

  /** Another channel or person is shown: keep each draft with its channel. */
  #settle() {
    const { you, channelId } = this.#session;
    const channel = this.#session.channel();
    const isNamed = ["text", "elsewhere"].includes(channel?.kind);
    const key = `${you?.id}/${channelId}`;
    this.#draft.placeholder = channel ? `Message ${isNamed ? "#" : ""}${channel.name}, or /` : "";
    if (key === this.#channel) return;
    this.#drafts.set(this.#channel, this.#draft.value);
    this.#channel = key;
    this.#draft.value = this.#drafts.get(key) ?? "";
    this.#uploads.clear();
    this.#answer(null);
    if (this.#form) this.#leave();
    this.#draw();
  }

  #draw() {
    fill(this.#problem);
    this.#plain.classList.toggle("ready", this.#draft.value.trim() !== "" || this.#uploads.count > 0);
  }

  #typed() {
    this.#draw();
    this.#offer();
  }

  /** Show the commands that match the text, or the names after an `@`. A command followed by a space is chosen immediately. */
  #offer() {
    const text = this.#draft.value;
    if (!text.startsWith("/") || text.includes("\n")) return this.#offerNames(text);
    const all = runnable(this.#session);
    const typed = text.slice(1).toLowerCase();
    const whole = (command) => [command.label, command.name].find((name) => typed.startsWith(`${name.toLowerCase()} `));
    const named = all.find(whole);
    if (named) return this.#choose(named, text.slice(whole(named).length + 2).trim());
    const fits = [
      ({ label }) => label.toLowerCase().startsWith(typed),
      ({ name, label }) => name.includes(typed) || label.toLowerCase().includes(typed),
      ({ description }) => description.toLowerCase().includes(typed),
    ];
    const rank = (command) => fits.findIndex((fit) => fit(command)); // best match first
    const fitting = all.filter((command) => rank(command) >= 0).sort((a, b) => rank(a) - rank(b) || a.place - b.place || a.label.localeCompare(b.label));
    const items = fitting.map((command) => ({ label: `/${command.label}`, detail: command.description, value: command }));
    return this.#commands.show(items, { empty: all.length ? "No matching command" : "The bot has no commands yet" });
  }

  #offerNames(text) {
    const mention = (changed, caret) => {
      this.#draft.value = changed;
      this.#draft.setSelectionRange(caret, caret);
      this.#typed();
    };
    const items = mentionItems(this.#session, text, this.#draft.selectionStart, mention);
    return items.length ? this.#commands.show(items) : this.#commands.hide();
  }

  #choose(command, text = "") {
    this.#commands.hide();
    this.#draft.value = "";
    const isElsewhere = () => document.activeElement !== document.body && !this.#root.contains(document.activeElement);
    this.#form = new CommandForm(
      command,
      { session: this.#session, connection: this.#connection, onDone: () => this.#leave({ focus: !isElsewhere() }) },
    );
    fill(this.#root, this.#form.element);
    opened(this.#form.element, () => this.#leave({ focus: true }));
    this.#form.start(text);
  }

  #leave({ focus = false } = {}) {
    closed(this.#form.element);
    this.#form = null;
    fill(this.#root, this.#plain);
    this.#draw();
    if (focus) this.#draft.focus();
  }

  #key(event) {
    if (this.#commands.key(event)) {
      if (event.key === "Tab") event.preventDefault(); // the chosen command's first field already has the focus
      return;
    }
    if (event.key === "Escape" && this.#answered) this.#answer(null);
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#plain.requestSubmit();
  }

  /** Stickers, and what the draft and its files look like as a message of another bot. */
  #offerMore(anchor) {
    const stickers = this.#session.stickers.map(({ id, name }) => this.#more.item(name, () => this.#send("say", { sticker_id: id })));
    const files = this.#uploads.names;
    const medium = (name) => ({ url: `attachment://${name}` });
    const embeds = () => ({ embeds: files.map((name) => ({ title: name, image: medium(name) })) });
    const gallery = () => ({ content: "", components: [{ type: PART.gallery, items: files.map((name) => ({ media: medium(name) })) }] });
    const asBot = [["Embeds", embeds], ["Gallery", gallery]].map(([label, fields]) => this.#more.item(label, () => this.#send("other_bot", fields())));
    const hint = h("p.subtext.menu-hint", {}, "Attach an image, and another bot can post it.");
    const other = [h("strong.menu-title", {}, "Post as another bot"), files.length ? asBot : hint];
    this.#more.open(anchor, h("strong.menu-title", {}, "Send a sticker"), stickers, this.#session.channel()?.kind === "text" && other);
  }

  #say(event) {
    event.preventDefault();
    if (this.#draft.value.trim() !== "" || this.#uploads.count) this.#send("say");
  }

  async #send(what, fields = {}) {
    const [content, channel_id] = [withMentions(this.#session, this.#draft.value.trim()), this.#session.channelId];
    try {
      await this.#connection.ask(what, { channel_id, content, uploads: await this.#uploads.ids(), reply_to: this.#answered?.id, ...fields });
      this.#draft.value = "";
      this.#uploads.clear();
      this.#answer(null);
    } catch (problem) {
      fill(this.#problem, problem.message);
    }
  }

  /** Files pasted into the draft, or dropped anywhere on the page. */
  #acceptFiles() {
    const take = (files) => (this.#form ? this.#form.take(files) : (this.#uploads.add(files), true));
    this.#draft.addEventListener("paste", (event) => {
      const files = filesOf(event.clipboardData);
      if (!files.length) return;
      event.preventDefault();
      take(files);
    });
    const inDialog = () => document.querySelector("dialog[open]");
    const carriesFiles = (event) => event.dataTransfer?.types.includes("Files") && !inDialog();
    addEventListener("dragover", (event) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      document.body.classList.add("dropping");
    });
    addEventListener("dragleave", (event) => event.relatedTarget || document.body.classList.remove("dropping"));
    addEventListener("drop", (event) => {
      document.body.classList.remove("dropping");
      if (!carriesFiles(event)) return;
      event.preventDefault();
      take(filesOf(event.dataTransfer));
    });
  }
}
