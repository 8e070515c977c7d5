/** The list of a channel's messages: kept in order, kept at its newest end while one looks there, one tab stop with arrow keys inside. */
import { fill, find, h, icon, rove } from "./dom.js";
import { has, FLAG, messageElement } from "./messages.js";
import { day } from "./times.js";

const NEAR_PX = 80;
const TOGETHER_MS = 5 * 60_000; // messages of one author within this time stand under one heading
const LONG_PRESS_MS = 450;

/** What an empty channel says, by its kind. */
const WELCOME = {
  dm: (name) => `This is between you and ${name}.`,
  private: (name) => `This is between you and ${name}. The bot hears only the commands that you run here.`,
  elsewhere: () => "The bot is no member of this server: its commands come along with you.",
};

export class Log {
  #root;
  #around;
  #studio;
  #newest;
  #settle;
  #atEnd = true;

  /** `around` as messages.js wants it. */
  constructor({ root, newest, around }) {
    this.#root = root;
    this.#newest = newest;
    this.#studio = around.studio;
    this.#around = around;
    this.#settle = rove(root, "article.message");
    fill(newest, icon("down"), "New messages");
    newest.addEventListener("click", () => this.#toEnd());
    root.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#atEnd && this.#toEnd()).observe(root);
    this.#openings();
    this.#studio.on("hello show", () => this.#redraw());
    this.#studio.on("message", ({ message }) => message.channel_id === this.#studio.channelId && this.#put(message));
    this.#studio.on("deleted", ({ message_id: id }) => this.#remove(id));
  }

  #redraw() {
    // A fresh list is no news: only what comes later is read out.
    this.#root.setAttribute("aria-live", "off");
    const messages = this.#studio.messages();
    fill(this.#root, messages.length ? messages.map((message) => messageElement(message, this.#around)) : this.#welcome());
    this.#regroup();
    this.#settle(this.#root.lastElementChild);
    this.#toEnd();
    requestAnimationFrame(() => this.#root.setAttribute("aria-live", "polite"));
  }

  #welcome() {
    const channel = this.#studio.channel();
    const nothing = `Nothing has been said in #${channel?.name ?? "…"} yet.`;
    const place = WELCOME[channel?.kind]?.(channel.name) ?? nothing;
    return h("div.welcome", {},
      h("img", { src: "/page/easel.svg", alt: "", width: 72, height: 72 }),
      h("p", {}, place),
      h("p.subtext", {}, "Type / to see what the bot can do."),
    );
  }

  /** Insert or replace; a replaced message keeps the focus on the same control. */
  #put(message) {
    const element = messageElement(message, this.#around);
    const old = find(element.id);
    if (old) this.#replace(old, element);
    else this.#insert(element);
    this.#regroup();
    if (this.#atEnd || (!old && this.#isOwn(message))) this.#toEnd();
    else if (!old) this.#newest.hidden = false;
  }

  /** Whoever writes or runs a command wants to see what comes of it. */
  #isOwn({ author, interaction_metadata: interaction }) {
    return [author.id, interaction?.user?.id].includes(this.#studio.you.id);
  }

  #replace(old, element) {
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const key = focused?.closest("[data-key]")?.dataset.key;
    element.tabIndex = old.tabIndex;
    for (const image of element.querySelectorAll("img")) image.loading = "eager"; // no empty moment where a picture stood
    const revealed = [...old.querySelectorAll(".spoiler.revealed, .veiled.revealed")].length > 0;
    old.replaceWith(element);
    if (revealed) element.querySelectorAll(".spoiler, .veil").forEach((veil) => veil.click());
    if (!focused) return;
    if (key) element.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
    if (!element.contains(document.activeElement)) element.focus(); // the control is gone, or switched off now
  }

  #insert(element) {
    this.#root.querySelector(".welcome")?.remove();
    const id = idOf(element);
    const after = [...this.#root.children].findLast((other) => idOf(other) < id);
    if (after) after.after(element);
    else this.#root.prepend(element);
    if (!this.#root.contains(document.activeElement)) this.#settle(this.#root.lastElementChild);
  }

  #remove(id) {
    const element = find(`message-${id}`);
    if (!element) return;
    const next = element.nextElementSibling ?? element.previousElementSibling;
    const focused = element.contains(document.activeElement);
    element.remove();
    if (!this.#root.children.length) return this.#redraw();
    this.#regroup();
    if (focused) next?.focus();
    else this.#settle(this.#root.lastElementChild);
  }

  /** Say the day where it changes, and drop the heading of a message that goes on from the one above. */
  #regroup() {
    let above = null;
    for (const element of this.#root.querySelectorAll("article.message")) {
      const message = this.#studio.message(idOf(element).toString());
      if (!message) continue;
      const [today, before] = [day(new Date(message.timestamp)), above && day(new Date(above.timestamp))];
      if (today === before) delete element.dataset.day;
      else element.dataset.day = today;
      element.classList.toggle("continued", today === before && goesOn(above, message) && !element.querySelector(":scope > .origin"));
      above = message;
    }
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#root;
    this.#atEnd = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    if (this.#atEnd) this.#newest.hidden = true;
  }

  #toEnd() {
    this.#root.scrollTop = this.#root.scrollHeight;
    this.#atEnd = true;
    this.#newest.hidden = true;
  }

  /** Look at a message of the shown channel; false where it is not there. */
  goTo(id) {
    const element = find(`message-${id}`);
    if (!element) return false;
    this.#atEnd = false;
    element.scrollIntoView({ block: "center" });
    element.focus({ preventScroll: true });
    element.classList.add("found");
    element.addEventListener("animationend", () => element.classList.remove("found"), { once: true });
    return true;
  }

  /** Ways to a message's actions beside its button: Enter, the right mouse button, a long press. */
  #openings() {
    const open = (element, anchor) => this.#around.openActions(this.#studio.message(idOf(element).toString()), anchor);
    const own = ({ target }) => (target.closest("a, button, input, textarea, [popover]") ? null : target.closest("article.message"));
    this.#root.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !event.target.matches("article.message")) return;
      event.preventDefault();
      open(event.target, event.target.querySelector(".tools"));
    });
    this.#root.addEventListener("contextmenu", (event) => {
      const article = own(event);
      if (!article || !getSelection().isCollapsed) return;
      event.preventDefault();
      open(article, article.querySelector(".tools"));
    });
    let press = null;
    const stop = () => clearTimeout(press);
    this.#root.addEventListener("pointerdown", (event) => {
      const article = event.pointerType === "touch" && own(event);
      if (article) press = setTimeout(() => open(article, article.querySelector(".tools")), LONG_PRESS_MS);
    });
    for (const name of ["pointerup", "pointercancel", "scroll", "pointerleave"]) this.#root.addEventListener(name, stop, { passive: true });
  }
}

const idOf = (element) => BigInt(element.id?.split("-")[1] ?? 0);

function goesOn(above, message) {
  const sameMood = has(above, FLAG.ephemeral) === has(message, FLAG.ephemeral);
  const ends = above.components?.length > 0 || above.type !== message.type; // buttons end a thought
  return above.author.id === message.author.id && sameMood && !ends && new Date(message.timestamp) - new Date(above.timestamp) < TOGETHER_MS;
}
