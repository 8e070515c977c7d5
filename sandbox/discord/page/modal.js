/** The bot's modals: a `dialog` element (the browser keeps the focus inside) whose fields are checked before they are sent. */
import { fill, freshId, h, icon } from "./dom.js";
import { framed } from "./fields.js";
import { returnTo } from "./focus.js";
import { markdown, nestHeadings } from "./markdown.js";
import { modalField } from "./modal-fields.js";
import { PART } from "./parts.js";

export class Modals {
  #session;
  #connection;
  #names;
  #open = new Map();
  #whose = null;

  constructor({ session, connection, names }) {
    this.#session = session;
    this.#connection = connection;
    this.#names = names;
    session.on("modal", (frame) => this.#show(frame));
    session.on("closed", ({ interaction_id: id }) => this.#close(id));
    session.on("hello", ({ you }) => this.#settle(you.id));
  }

  /** Forms stay open on a reconnect and close when the person changes. */
  #settle(whose) {
    if (whose !== this.#whose) [...this.#open.keys()].forEach((id) => this.#close(id));
    this.#whose = whose;
  }

  #close(id) {
    const { dialog, goBack } = this.#open.get(id) ?? {};
    this.#open.delete(id);
    dialog?.close();
    dialog?.remove();
    goBack?.();
  }

  #show({ interaction_id: id, modal }) {
    const parts = modal.components.map((part) => this.#part(part));
    const fields = parts.filter(({ name }) => name);
    const title = h("h2", { id: freshId("modal") }, modal.title);
    const problem = h("p.problem", { role: "alert" });
    const submit = h("button.primary", { type: "submit" }, "Submit");
    const form = h("form",
      { novalidate: true },
      parts.map(({ element }) => element),
      problem,
      h("footer", {}, h("button.secondary", { type: "button", onclick: () => this.#dismiss(id) }, "Cancel"), submit),
    );
    const close = h("button.icon-button",
      { type: "button", "aria-label": "Close without sending", onclick: () => this.#dismiss(id) },
      icon("close"),
    );
    const dialog = h("dialog.modal", { "aria-labelledby": title.id }, h("header", {}, title, close), form);
    form.addEventListener("keydown", (event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && form.requestSubmit());
    form.addEventListener("submit", (event) => this.#submit(event, { id, fields, problem, submit }));
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.#dismiss(id);
    });
    nestHeadings(form, 2);
    this.#open.set(id, { dialog, goBack: returnTo(document.activeElement) });
    document.body.append(dialog);
    dialog.showModal();
    (fields.find((field) => field.input) ?? fields[0] ?? { focus: () => submit.focus() }).focus();
  }

  #dismiss(id) {
    this.#close(id);
    this.#connection.ask("dismiss", { interaction_id: id }).catch(() => {}); // it is closed on this page even if the request fails
  }

  async #submit(event, { id, fields, problem, submit }) {
    event.preventDefault();
    fill(problem);
    const wrong = fields.filter((field) => field.check());
    if (wrong.length) return wrong[0].focus();
    submit.disabled = true;
    try {
      const values = await Promise.all(fields.map(async (field) => [field.name, await field.read()]));
      await this.#connection.ask("submit", { interaction_id: id, fields: Object.fromEntries(values) });
      this.#close(id);
    } catch (refusal) {
      fill(problem, refusal.message);
      submit.disabled = false;
    }
    return null;
  }

  /** One top-level part: a field with its label, or text. */
  #part(part) {
    if (part.type === PART.text) return { element: h("div.prose", {}, markdown(part.content, this.#names)) };
    if (part.type === PART.row) return this.#field(part.components[0], part.components[0].label);
    if (part.type === PART.label) return this.#field(part.component, part.label, part.description);
    return { element: h("p.subtext", {}, `(a component of type ${part.type}, which this page cannot show)`) };
  }

  #field(part, label, description = null) {
    const field = framed(label ?? "Answer", modalField(part, label ?? "Answer", this.#session), { description, required: part.type !== PART.checkbox && (part.required ?? true) });
    return { ...field, name: part.custom_id };
  }
}
