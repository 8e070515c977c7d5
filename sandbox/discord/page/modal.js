/** The bot's modals: a real dialog (the browser keeps the focus inside), fields checked before they are sent. */
import { PART, channels, people, stringItems } from "./components.js";
import { fill, freshId, h, icon } from "./dom.js";
import { framed } from "./fields.js";
import { picker } from "./listbox.js";
import { markdown } from "./markdown.js";
import { Tray, filesOf } from "./uploads.js";

const PARAGRAPH = 2; // text input style

export class Modals {
  #studio;
  #connection;
  #names;
  #open = new Map();
  #whose = null;

  constructor({ studio, connection, names }) {
    this.#studio = studio;
    this.#connection = connection;
    this.#names = names;
    studio.on("modal", (frame) => this.#show(frame));
    studio.on("closed", ({ interaction_id: id }) => this.#close(id));
    studio.on("hello", ({ you }) => this.#settle(you.id));
  }

  /** A reconnect leaves forms open; another person finds none. */
  #settle(whose) {
    if (whose !== this.#whose) [...this.#open.keys()].forEach((id) => this.#close(id));
    this.#whose = whose;
  }

  #close(id) {
    const dialog = this.#open.get(id);
    this.#open.delete(id);
    dialog?.close();
    dialog?.remove();
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
    this.#open.set(id, dialog);
    document.body.append(dialog);
    dialog.showModal();
    (fields.find((field) => field.input) ?? fields[0] ?? { focus: () => submit.focus() }).focus();
  }

  #dismiss(id) {
    this.#close(id);
    this.#connection.ask("dismiss", { interaction_id: id }).catch(() => {}); // it is closed here in any case
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
    const build = FIELDS[part.type] ?? selectField;
    const field = framed(label ?? "Answer", build(part, label ?? "Answer", this.#studio), { description, required: part.required ?? true });
    return { ...field, name: part.custom_id };
  }
}

function textField(part, label) {
  const attributes = {
    id: freshId("input"), rows: part.style === PARAGRAPH ? 4 : 1, maxlength: part.max_length,
    placeholder: part.placeholder, value: part.value ?? "",
    "aria-required": part.required === false ? "false" : "true",
  };
  const input = h("textarea", attributes);
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing || event.ctrlKey || part.style === PARAGRAPH) return;
    event.preventDefault();
    input.form.requestSubmit();
  });
  const problem = () => {
    const length = input.value.length;
    if (length === 0) return part.required === false ? null : `${label} is needed.`;
    return length < (part.min_length ?? 0) ? `${label} needs at least ${part.min_length} characters.` : null;
  };
  return { element: input, input, read: () => input.value, problem, focus: () => input.focus() };
}

function selectField(part, label, studio) {
  const ids = { [PART.userSelect]: people, [PART.mentionableSelect]: people, [PART.channelSelect]: channels }[part.type];
  const required = part.required ?? true;
  const least = required ? (part.min_values ?? 1) : 0;
  const field = picker({
    label, placeholder: part.placeholder, items: ids ? ids(studio) : stringItems(part), min: least,
    max: part.max_values ?? (part.type === PART.checkboxGroup ? part.options.length : 1),
  });
  return { element: field.element, focus: field.focus, read: field.read, problem: () => tooFew(field.read().length, least, label) };
}

function uploadField(part, label) {
  const least = (part.required ?? true) ? (part.min_values ?? 1) : 0;
  const tray = new Tray({ max: part.max_values ?? 1, label });
  const take = (event, transfer) => {
    const files = filesOf(transfer);
    if (!files.length) return;
    event.preventDefault();
    tray.add(files);
  };
  const button = h("button.drop",
    { type: "button", "aria-label": `${label}: choose files`, onclick: () => tray.pick() },
    icon("picture"),
    h("span", {}, "Choose, paste or drop files"),
  );
  const listeners = {
    onpaste: (event) => take(event, event.clipboardData), ondrop: (event) => take(event, event.dataTransfer),
    ondragover: (event) => event.preventDefault(),
  };
  const element = h("div.attachment-field", listeners, button, tray.element);
  const read = async () => (await tray.ids()).map((upload) => ({ upload }));
  return { element, read, focus: () => button.focus(), problem: () => tooFew(tray.count, least, label) };
}

function radioField(part, label) {
  const field = selectField(part, label);
  return { ...field, read: () => field.read()[0] };
}

function checkboxField(part, label) {
  const input = h("input", { type: "checkbox", "aria-label": label, checked: Boolean(part.default) });
  return { element: input, read: () => input.checked, problem: () => null, focus: () => input.focus() };
}

const FIELDS = {
  [PART.textInput]: textField, [PART.fileUpload]: uploadField, [PART.radioGroup]: radioField, [PART.checkbox]: checkboxField,
};

function tooFew(count, least, label) {
  if (count >= least) return null;
  return least === 1 ? `${label} is needed.` : `${label} needs at least ${least}.`;
}
