/** Whether the bot is online, the button that kills it, and what became of it. */
import { fill, find, h, icon } from "./dom.js";

export class BotState {
  #session;
  #toast;
  #kill = find("kill");
  #note = find("bot-note");
  #seen = null; // the number of the bot's last end that this page knows
  #shown = null;

  constructor({ session, toast }) {
    this.#session = session;
    this.#toast = toast;
    fill(this.#kill, icon("kill"), h("span", {}, "Kill the bot"));
    this.#kill.addEventListener("click", () => this.#killBot());
    session.on("hello", () => this.#begin());
    session.on("bot", () => this.#draw());
  }

  /** An end that happened before the page was opened is no news. */
  #begin() {
    this.#seen ??= this.#session.bot.ended?.number ?? 0;
    this.#draw();
  }

  #draw() {
    const { bot } = this.#session;
    find("bot").classList.toggle("online", bot.online);
    fill(find("bot"), h("span", {}, `${bot.name} is ${bot.online ? "online" : "offline"}`));
    this.#kill.hidden = !bot.killable;
    this.#kill.disabled = !bot.online;
    if (bot.ended && bot.ended.number !== this.#seen) [this.#seen, this.#shown] = [bot.ended.number, bot.ended];
    this.#drawNote();
  }

  #drawNote() {
    this.#note.hidden = !this.#shown;
    if (!this.#shown) return;
    const { bot } = this.#session;
    const sentence = `${bot.name} ${told(this.#shown)}. ${bot.online ? "It is back; nothing was lost." : "It is starting again…"}`;
    if (this.#note.dataset.sentence === sentence) return;
    this.#note.dataset.sentence = sentence;
    const close = h("button.icon-button", { type: "button", "aria-label": "Close this note", onclick: () => this.#close() }, icon("close"));
    fill(this.#note, h("span", {}, sentence), close);
  }

  #close() {
    this.#shown = null;
    this.#drawNote();
    this.#kill.focus();
  }

  async #killBot() {
    this.#kill.disabled = true;
    const answer = await fetch("/bot/kill", { method: "POST" }).catch(() => null);
    if (answer?.ok) return;
    this.#toast("The bot could not be killed just now.", { wrong: true });
    this.#draw();
  }
}

function told({ killed, images }) {
  const how = killed ? "was killed" : "stopped by itself";
  if (!images) return how;
  return `${how} while ${images} ${images === 1 ? "image was" : "images were"} being made`;
}
