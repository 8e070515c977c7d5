/** A field for every kind of control in a modal: {element, input?, read, problem, focus}, as in fields.js. */
import { itemsOf } from "./choices.js";
import { freshId, h } from "./dom.js";
import { dropZone } from "./fields.js";
import { picker } from "./listbox.js";
import { PART } from "./parts.js";
import { Uploads, filesOf } from "./uploads.js";

const PARAGRAPH = 2; // text input style

/** Every kind that is not listed below is a select menu. */
export function modalField(part, label, session) {
  return (FIELDS[part.type] ?? selectField)(part, label, session);
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

function selectField(part, label, session) {
  const required = part.required ?? true;
  const least = required ? (part.min_values ?? 1) : 0;
  const field = picker({
    label, placeholder: part.placeholder, items: itemsOf(part, session), min: least, max: part.max_values ?? 1,
  });
  return { element: field.element, focus: field.focus, read: field.read, problem: () => tooFew(field.read().length, least, label) };
}

function uploadField(part, label) {
  const least = (part.required ?? true) ? (part.min_values ?? 1) : 0;
  const uploads = new Uploads({ max: part.max_values ?? 1, label });
  const take = (event, transfer) => {
    const files = filesOf(transfer);
    if (!files.length) return;
    event.preventDefault();
    uploads.add(files);
  };
  const button = dropZone(label, "Choose, paste or drop files", uploads);
  const listeners = {
    onpaste: (event) => take(event, event.clipboardData), ondrop: (event) => take(event, event.dataTransfer),
    ondragover: (event) => event.preventDefault(),
  };
  const element = h("div.attachment-field", listeners, button, uploads.element);
  const read = async () => (await uploads.ids()).map((upload) => ({ upload }));
  return { element, read, focus: () => button.focus(), problem: () => tooFew(uploads.count, least, label) };
}

/** Radio buttons, or checkboxes of which several may be checked. */
function groupField(part, label, session) {
  const single = part.type === PART.radioGroup;
  const least = (part.required ?? true) ? (single ? 1 : (part.min_values ?? 1)) : 0;
  const most = part.max_values ?? part.options.length;
  const name = freshId("group");
  const one = (item) => {
    const input = h("input", { type: single ? "radio" : "checkbox", name, checked: item.selected, value: item.value });
    return h("label.check", {}, input, h("span", {}, item.label, item.detail && h("small", {}, item.detail)));
  };
  const element = h("div.choices", { role: single ? "radiogroup" : "group", "aria-label": label }, itemsOf(part, session).map(one));
  const chosen = () => [...element.querySelectorAll("input:checked")].map(({ value }) => value);
  const problem = () => tooFew(chosen().length, least, label) ?? (chosen().length > most ? `${label}: choose at most ${most}.` : null);
  return { element, problem, read: () => (single ? chosen()[0] : chosen()), focus: () => element.querySelector("input").focus() };
}

function checkboxField(part, label) {
  const input = h("input", { type: "checkbox", "aria-label": label, checked: Boolean(part.default) });
  return { element: input, read: () => input.checked, problem: () => null, focus: () => input.focus() };
}

function tooFew(count, least, label) {
  if (count >= least) return null;
  return least === 1 ? `${label} is needed.` : `${label} needs at least ${least}.`;
}

const FIELDS = {
  [PART.textInput]: textField, [PART.fileUpload]: uploadField, [PART.radioGroup]: groupField, [PART.checkboxGroup]: groupField,
  [PART.checkbox]: checkboxField,
};
