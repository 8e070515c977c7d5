/** Starting a thread in the shown channel. */
import { fill, find, h, icon } from "./dom.js";
import { Menu } from "./menu.js";

export class ThreadStarter {
  #session;
  #ask;
  #button = find("thread-start");
  #menu = new Menu("New thread");

  constructor({ session, ask }) {
    this.#session = session;
    this.#ask = ask;
    fill(this.#button, icon("thread"));
    this.#button.addEventListener("click", () => this.#menu.open(this.#button, this.#form()));
    session.on("hello show channels", () => this.#draw());
  }

  #draw() {
    const channel = this.#session.channel();
    this.#button.hidden = channel?.kind !== "text" || Boolean(channel.parent_id);
  }

  #form() {
    const name = h("input", { type: "text", maxlength: 100, placeholder: "Name", "aria-label": "Name of the thread" });
    const problem = h("p.problem", { role: "alert" });
    const submit = async (event) => {
      event.preventDefault();
      try {
        const { channel_id: id } = await this.#ask("thread", { channel_id: this.#session.channelId, name: name.value });
        this.#menu.close();
        this.#session.show(id);
      } catch (refusal) {
        fill(problem, refusal.message);
      }
    };
    const start = h("button.primary", { type: "submit" }, "Start");
    return h("form.thread-form", { onsubmit: submit }, h("strong", {}, "New thread"), h("div", {}, name, start), problem);
  }
}
