/** The sidebar: channels with unread counts, and the people whom a visitor can be. */
import { fill, find, h, icon, rove } from "./dom.js";
import { closed, opened } from "./escape.js";
import { channelIcon, disc } from "./names.js";

const NARROW = matchMedia("(max-width: 700px)");
const GROUPS = [["Direct messages", ["dm", "private"]], ["Elsewhere, without the bot", ["elsewhere"]]];

export class Sidebar {
  #session;
  #become;
  #join;
  #openPerson;
  #places = find("channels");
  #people = find("people");
  #sidebar = find("sidebar");
  #opener = find("sidebar-open");
  #veil = find("veil");
  #isPressed = false; // a channel's button: a click on a button that was redrawn meanwhile would be lost
  #isStale = false;

  /** `become(name)` changes the person; `join(name, moderator)` resolves to a new member; `openPerson(id, anchor)` shows a person's menu. */
  constructor({ session, become, join, openPerson }) {
    this.#session = session;
    this.#become = become;
    this.#join = join;
    this.#openPerson = openPerson;
    rove(this.#places, "button");
    rove(this.#people, "button");
    this.#places.addEventListener("pointerdown", () => (this.#isPressed = true));
    for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, () => setTimeout(() => this.#release())); // after the click
    this.#drawer();
    fill(find("join"), this.#joinForm());
    session.on("hello channels show message", () => this.#drawChannels());
    session.on("hello people", () => this.#drawPeople());
  }

  #release() {
    this.#isPressed = false;
    if (this.#isStale) this.#drawChannels();
  }

  #drawChannels() {
    this.#isStale = this.#isPressed;
    if (this.#isStale) return;
    const focused = this.#places.contains(document.activeElement);
    const { channels } = this.#session;
    const inside = channels.filter(({ kind }) => kind === "text");
    const outside = GROUPS.map(([title, kinds]) => [title, channels.filter(({ kind }) => kinds.includes(kind))]);
    fill(
      this.#places,
      inside.map((channel) => this.#channel(channel)),
      outside.map(([title, some]) => some.length > 0 && [h("li.group", {}, title), some.map((channel) => this.#channel(channel))]),
    );
    if (focused) this.#places.querySelector("[aria-current]")?.focus();
    find("guild").textContent = this.#session.guild?.name ?? "";
  }

  #channel(channel) {
    const { id, name, nsfw, parent_id: parent } = channel;
    const here = id === this.#session.channelId;
    const unread = this.#session.unread.get(id) ?? 0;
    const mark = unread > 0 && h("b.count", { "aria-label": `${unread} unread` }, unread);
    const open = () => {
      this.#session.show(id);
      this.#toggle(false);
    };
    const attributes = { type: "button", tabindex: here ? 0 : -1, "aria-current": here && "page", onclick: open };
    const limit = nsfw && !parent && h("small.limit", { title: "Age-restricted" }, "18+");
    return h(parent ? "li.thread" : "li", {},
      h(unread ? "button.unread" : "button", attributes, icon(channelIcon(channel)), h("span", {}, name), limit, mark),
    );
  }

  #drawPeople() {
    const focused = this.#people.contains(document.activeElement);
    fill(this.#people, this.#session.people.filter(({ bot }) => !bot).map((person) => this.#person(person)));
    if (focused) this.#people.querySelector("[aria-current]")?.focus();
  }

  #person({ id, name, about, moderator, member }) {
    const me = id === this.#session.you?.id;
    const choose = () => {
      this.#become(name);
      this.#toggle(false);
    };
    const attributes = { type: "button", tabindex: me ? 0 : -1, "aria-current": me && "true", onclick: choose };
    const what = member ? about || (moderator ? "moderator" : "member") : "has left";
    const more = h("button.icon-button.more",
      {
        type: "button", tabindex: -1, "aria-label": "More", "aria-description": `Menu of ${name}`, title: `More about ${name}`,
        "aria-haspopup": "dialog", onclick: (event) => this.#openPerson(id, event.currentTarget),
      },
      icon("more"),
    );
    const tab = h("a.icon-button",
      {
        href: `?as=${encodeURIComponent(name)}`, target: "_blank", title: `Be ${name} in another tab`,
        "aria-label": `Be ${name} in another tab`,
      },
      icon("out"),
    );
    return h("li", {},
      h("button", attributes, disc(this.#session, id, name), h("span.who", {}, name, " ", h("small", {}, what))),
      more,
      tab,
    );
  }

  #joinForm() {
    const name = h("input", {
      type: "text", required: true, maxlength: 32, placeholder: "Name", "aria-label": "Name of the new member",
      autocomplete: "off",
    });
    const moderator = h("input", { type: "checkbox" });
    const problem = h("p.problem", { role: "alert" });
    const submit = async (event) => {
      event.preventDefault();
      try {
        const person = await this.#join(name.value.trim(), moderator.checked);
        event.target.reset();
        details.open = false;
        this.#become(person.name);
      } catch (refusal) {
        fill(problem, refusal.message);
      }
    };
    const form = h("form",
      { onsubmit: submit },
      name,
      h("label.check", {}, moderator, "Moderator"),
      h("button.secondary", { type: "submit" }, "Join"),
      problem,
    );
    const details = h("details.join", {}, h("summary", {}, icon("plus"), "New member"), form);
    details.addEventListener("toggle", () => details.open && name.focus());
    return details;
  }

  /** In a narrow window the sidebar is a drawer over the page. */
  #drawer() {
    fill(this.#opener, icon("menu"));
    fill(find("sidebar-close"), icon("close"));
    this.#opener.addEventListener("click", () => this.#toggle(true));
    for (const element of [find("sidebar-close"), this.#veil]) element.addEventListener("click", () => this.#toggle(false));
    const settle = () => (this.#sidebar.inert = NARROW.matches && !this.#sidebar.classList.contains("open"));
    NARROW.addEventListener("change", settle);
    settle();
  }

  #toggle(open) {
    if (open === this.#sidebar.classList.contains("open")) return;
    this.#sidebar.classList.toggle("open", open);
    this.#sidebar.inert = NARROW.matches && !open;
    this.#veil.hidden = !open;
    this.#opener.setAttribute("aria-expanded", open);
    if (open) {
      opened(this.#sidebar, () => this.#toggle(false));
      (this.#places.querySelector("[aria-current]") ?? find("sidebar-close")).focus();
    } else {
      closed(this.#sidebar);
      this.#opener.focus();
    }
  }
}
