/** The greeting of an empty #studio: what this page is, and three things to try. It can be closed for good. */
import { h, icon } from "./dom.js";

const CLOSED = "easel-greeting-closed"; // key in the browser's storage
const PROMPT = "a red fox in the snow";
const CHANGE = "make it winter";
const PHOTO = "phone-photo.heic";

export class Greeting {
  #session;
  #composer;
  #openFaults;
  #become;

  /** `openFaults()` opens the panel of faults, `become(name)` changes the person. */
  constructor({ session, composer, openFaults, become }) {
    this.#session = session;
    this.#composer = composer;
    this.#openFaults = openFaults;
    this.#become = become;
  }

  /** The greeting, or null in other channels and once it was closed. */
  element() {
    const channel = this.#session.channel();
    if (channel?.name !== "studio" || channel.parent_id || localStorage.getItem(CLOSED)) return null;
    return h("section.greeting", { "aria-labelledby": "greeting-title" },
      h("header", {},
        h("h2", { id: "greeting-title" }, "Try Easel here"),
        h("button.icon-button", { type: "button", "aria-label": "Close the greeting", onclick: () => this.#close() }, icon("close")),
      ),
      h("p", {}, "This is a Discord on your machine. Images are simulated: each shows the words of its prompt. Nothing is sent anywhere, and nothing costs money."),
      h("ul.cards", {},
        card("plus", "Create an image", "Opens /generate with a prompt filled in.", () => this.#composer.prepare("generate", { text: PROMPT })),
        card("image", "Change a photo", "Opens /edit with an example. You can also reply to an image and mention @Easel, or react with ✏️.", () => this.#edit()),
        card("faults", "Break something", "Take the image API down or lose an answer, and watch that no image is lost.", this.#openFaults),
      ),
      this.#moderators(),
    );
  }

  async #edit() {
    const content = await (await fetch(`/page/${PHOTO}`)).blob();
    this.#composer.prepare("edit", { text: CHANGE, files: [new File([content], PHOTO, { type: content.type })] });
  }

  /** How to see what moderators see: as one of them. */
  #moderators() {
    const { you, people } = this.#session;
    const other = people.find(({ manages, member }) => manages && member);
    if (you.manages || !other) return h("p.subtext", {}, `You are ${you.name}. Type /imageadmin to see what moderators can do.`);
    const be = h("button.text-button", { type: "button", onclick: () => this.#become(other.name) }, `Be ${other.name}`);
    return h("p.subtext", {}, `You are ${you.name}. `, be, " to see what moderators see.");
  }

  #close() {
    localStorage.setItem(CLOSED, "yes");
    this.#session.show(this.#session.channelId); // draws the channel again
    this.#composer.focus();
  }
}

function card(name, title, text, onclick) {
  return h("li", {}, h("button.card", { type: "button", onclick }, icon(name), h("strong", {}, title), h("span", {}, text)));
}
