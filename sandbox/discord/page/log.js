/** The list of a channel's messages, in order. It stays scrolled to the end unless the person scrolls up; one tab stop with arrow keys inside. */
import { fill, find, h, icon, rove } from "./dom.js";
import { has, FLAG, messageElement } from "./messages.js";
import { day, number, speak } from "./times.js";

const NEAR_PX = 80;
const TOGETHER_MS = 5 * 60_000; // consecutive messages of one author within this time share a heading
const LONG_PRESS_MS = 450;

export class Log {
  #root;
  #around;
  #session;
  #newest;
  #settle;
  #greeting;
  #atEnd = true;
  #missed = 0; // new messages below
  #opening = null; // the id of a private answer that is shown from its beginning if it is long, until the person does something
  #lastTop = 0;

  /** `around` is described in messages.js, `greeting` is shown in an empty channel. */
  constructor({ root, newest, greeting, around }) {
    this.#greeting = greeting;
    this.#root = root;
    this.#newest = newest;
    this.#session = around.session;
    this.#around = around;
    this.#settle = rove(root, "article.message");
    newest.addEventListener("click", () => {
      this.#toEnd();
      root.lastElementChild?.focus({ preventScroll: true });
    });
    for (const name of ["wheel", "pointerdown", "keydown"]) root.addEventListener(name, () => (this.#opening = null), { passive: true });
    root.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#atEnd && this.#toEnd()).observe(root);
    root.addEventListener("load", () => this.#atEnd && this.#follow(), { capture: true }); // an image may be taller than its place
    this.#openings();
    this.#session.on("hello show", () => this.#redraw());
    this.#session.on("people", () => speak(this.#session.you.locale) && this.#redraw());
    this.#session.on("message", ({ message }) => message.channel_id === this.#session.channelId && this.#put(message));
    this.#session.on("deleted", ({ message_id: id }) => this.#remove(id));
  }

  #redraw() {
    speak(this.#session.you.locale);
    // Screen readers announce only later messages, not the whole list.
    this.#root.setAttribute("aria-live", "off");
    const messages = this.#session.messages();
    fill(this.#root, messages.length ? messages.map((message) => messageElement(message, this.#around)) : this.#welcome());
    this.#regroup();
    this.#settle(this.#root.lastElementChild);
    this.#toEnd();
    requestAnimationFrame(() => this.#root.setAttribute("aria-live", "polite"));
  }

  #welcome() {
    const greeting = this.#greeting.element();
    if (greeting) return h("div.welcome", {}, greeting);
    const { name = "…", kind = "text", topic } = this.#session.channel() ?? {};
    const place = (kind !== "text" && topic) || `Nothing has been said in #${name} yet.`;
    return h("div.welcome", {},
      h("img", { src: "/page/easel.svg", alt: "", width: 72, height: 72 }),
      h("p", {}, place),
      h("p.subtext", {}, "Type / to see what the bot can do."),
    );
  }

  /** Insert or replace a message. If it had the focus, the same control gets it again. */
  #put(message) {
    const element = messageElement(message, this.#around);
    const old = find(element.id);
    const wasLong = old && this.#isLong(old);
    if (old) this.#replace(old, element);
    else this.#insert(element);
    this.#regroup();
    if (has(message, FLAG.ephemeral) && !wasLong) this.#opening = element.id;
    if (this.#atEnd || (!old && this.#isOwn(message))) this.#follow();
    else if (!old) this.#miss();
  }

  #isLong(element) {
    return element.offsetHeight > this.#root.clientHeight;
  }

  #miss() {
    this.#missed += 1;
    fill(this.#newest, icon("down"), this.#missed === 1 ? "1 new message" : `${number(this.#missed)} new messages`);
    this.#newest.hidden = false;
  }

  /** Whether this person wrote the message or ran its command; the list then scrolls to it. */
  #isOwn({ author, interaction_metadata: interaction }) {
    return [author.id, interaction?.user?.id].includes(this.#session.you.id);
  }

  #replace(old, element) {
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const key = focused?.closest("[data-key]")?.dataset.key;
    element.tabIndex = old.tabIndex;
    for (const image of element.querySelectorAll("img")) image.loading = "eager"; // lazy loading would make the image flicker
    const revealed = [...old.querySelectorAll(".spoiler.revealed, .veiled.revealed")].length > 0;
    old.replaceWith(element);
    if (revealed) element.querySelectorAll(".spoiler, .veil").forEach((veil) => veil.click());
    if (!focused) return;
    if (key) element.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
    if (!element.contains(document.activeElement)) element.focus(); // the control was removed or is now disabled
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

  /** Show the day where it changes, and hide the heading of a message that continues the one above. */
  #regroup() {
    let above = null;
    for (const element of this.#root.querySelectorAll("article.message")) {
      const message = this.#session.message(idOf(element).toString());
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
    const isNear = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    if (isNear) this.#reached();
    // Messages that grow also leave the end, so that only scrolling up counts.
    this.#atEnd = isNear || (this.#atEnd && scrollTop >= this.#lastTop);
    this.#lastTop = scrollTop;
  }

  #toEnd() {
    this.#root.scrollTop = this.#root.scrollHeight;
    this.#lastTop = this.#root.scrollTop;
    this.#atEnd = true;
    this.#reached();
  }

  #reached() {
    this.#missed = 0;
    this.#newest.hidden = true;
  }

  /** Scroll to the end, or to the beginning of a private answer that is longer than the view. */
  #follow() {
    const last = this.#root.lastElementChild;
    this.#toEnd();
    if (last?.id !== this.#opening || !this.#isLong(last)) return;
    this.#root.scrollTop += last.getBoundingClientRect().top - this.#root.getBoundingClientRect().top;
    this.#lastTop = this.#root.scrollTop;
    this.#atEnd = false;
  }

  /** Scroll to a message of the shown channel. Returns whether it is there. */
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

  /** Open a message's actions also by Enter, the right mouse button and a long press. */
  #openings() {
    const open = (element, anchor) => this.#around.openActions(this.#session.message(idOf(element).toString()), anchor);
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
  const ends = above.components?.length > 0 || above.type !== message.type; // a message with buttons starts a new group below it
  return above.author.id === message.author.id && sameMood && !ends && new Date(message.timestamp) - new Date(above.timestamp) < TOGETHER_MS;
}
