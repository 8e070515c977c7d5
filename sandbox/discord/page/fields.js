/**
 * A field for every type of slash option. A field is {element, read, problem, focus, take?}: `read()` returns the value or undefined (a
 * promise if a file must be uploaded first), `problem()` a sentence or null, `take(files)` accepts pasted or dropped files.
 */
import { channels, mentionables, people, roles } from "./choices.js";
import { fill, freshId, h, icon } from "./dom.js";
import { Listbox, picker } from "./listbox.js";
import { Uploads } from "./uploads.js";

/** Application command option types: https://discord.com/developers/docs/interactions/application-commands */
export const OPTION = {
  subcommand: 1, group: 2, string: 3, integer: 4, boolean: 5, user: 6, channel: 7, role: 8, mentionable: 9, number: 10,
  attachment: 11,
};

const DEBOUNCE_MS = 180;
const YES_NO = [{ value: "yes", label: "Yes" }, { value: "no", label: "No" }];
const ITEMS = { [OPTION.channel]: channels, [OPTION.user]: people, [OPTION.role]: roles, [OPTION.mentionable]: mentionables };
const NUMBERS = [OPTION.integer, OPTION.number];

/** `option` is the result of `shownOption`; `suggest(typed)` asks the bot for choices. */
export function optionField(option, { session, suggest }) {
  if (option.type === OPTION.attachment) return attachmentField(option);
  if (option.type === OPTION.boolean) return pickerField(option, YES_NO, (value) => value === "yes");
  if (ITEMS[option.type]) return pickerField(option, ITEMS[option.type](session, option));
  return textField(option, suggest);
}

function pickerField(option, items, convert = (value) => value) {
  const field = picker({ label: option.label, items, min: 0 });
  const read = () => (field.read().length ? convert(field.read()[0]) : undefined);
  return { element: field.element, focus: field.focus, read, problem: () => missing(option, read()) };
}

/** Files to try a command with, which not everyone has at hand. */
const EXAMPLES = { mask: ["phone-mask.png", "Example mask for it"], other: ["phone-photo.heic", "Example phone photo (HEIC)"] };

function attachmentField(option) {
  const onChange = () => {
    button.classList.toggle("filled", uploads.count > 0);
    button.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const uploads = new Uploads({ max: 1, label: option.label, onChange });
  const button = dropZone(option.label, "Choose, paste or drop a file", uploads);
  const element = h("div.attachment-field", {}, button, exampleButton(option, uploads), uploads.element);
  const read = () => (uploads.count ? uploads.ids().then(([upload]) => ({ upload })) : undefined);
  return {
    element, read, focus: () => button.focus(), problem: () => missing(option, uploads.count || undefined),
    take: (files) => !uploads.full && (uploads.add(files.slice(0, 1)), true),
  };
}

function exampleButton(option, uploads) {
  const [name, text] = EXAMPLES[option.name] ?? EXAMPLES.other;
  const attach = async () => {
    const content = await (await fetch(`/page/${name}`)).blob();
    uploads.add([new File([content], name, { type: content.type })]);
  };
  return h("button.quiet-button", { type: "button", "aria-label": `${option.label}: ${text}`, onclick: attach }, text);
}

/** The button of an upload. Its name contains its text, so that people who use their voice can press it. */
export function dropZone(label, text, uploads) {
  const attributes = { type: "button", "aria-label": `${label}: ${text}`, onclick: () => uploads.pick() };
  return h("button.drop", attributes, icon("image"), h("span", {}, text));
}

/** Text and numbers, with the command's own choices or the bot's suggestions below. */
function textField(option, suggest) {
  const numeric = NUMBERS.includes(option.type);
  const attributes = {
    rows: 1, id: freshId("option"), "aria-label": option.label, "aria-required": option.required ? "true" : "false", autocomplete: "off",
    inputmode: numeric ? (option.type === OPTION.integer ? "numeric" : "decimal") : null, spellcheck: "false",
    maxlength: option.max_length, placeholder: bounds(option) ?? option.description,
  };
  const input = h("textarea", attributes);
  const element = h("div.text-field", {}, input);
  const chosen = option.choices || option.autocomplete ? suggestions(option, input, element, suggest) : null;
  const read = () => (chosen?.value() !== undefined ? chosen.value() : typed(option, input.value.trim()));
  const problem = () => missing(option, read()) ?? (chosen?.value() === undefined ? outOfBounds(option, input.value.trim(), chosen) : null);
  return { element, input, read, problem, focus: () => input.focus(), fill: (text) => (input.value = text) };
}

/** Attach a list of suggestions to an input. Typing after a choice discards the choice. */
function suggestions(option, input, home, suggest) {
  let choice = null;
  let asked = 0;
  let timer = null;
  const list = new Listbox({ owner: input, home, label: `Choices for ${option.label}`, onPick: pick, fullWidth: true });
  const offer = (choices) => list.show(
    choices.map((one) => ({ label: String(one.name), value: one.value })),
    { empty: option.choices ? "No such choice" : "No suggestions" },
  );

  function pick(item) {
    choice = item;
    input.value = item.label;
    list.hide();
    asked += 1; // outstanding answers are now stale
  }
  function refresh(pause) {
    clearTimeout(timer);
    const number = ++asked;
    if (option.choices) return offer(option.choices.filter((one) => one.name.toLowerCase().includes(input.value.trim().toLowerCase())));
    timer = setTimeout(async () => {
      const choices = await suggest(input.value.trim()).catch(() => []);
      if (number === asked && document.activeElement === input) offer(choices);
    }, pause);
    return null;
  }
  input.setAttribute("aria-autocomplete", "list");
  input.addEventListener("input", () => {
    choice = null;
    refresh(DEBOUNCE_MS);
  });
  input.addEventListener("focus", () => choice === null && refresh(0));
  input.addEventListener("blur", () => (asked += 1));
  input.addEventListener("keydown", (event) => {
    if (event.key === "Tab" && input.value === "") return list.hide(); // Tab through an empty field chooses nothing
    if (list.key(event)) return;
    if (event.key === "ArrowDown" && !list.open) refresh(0);
  });
  const exact = () => option.choices?.find((one) => one.name.toLowerCase() === input.value.trim().toLowerCase());
  return { value: () => choice?.value ?? exact()?.value };
}

function typed(option, text) {
  if (text === "") return undefined;
  return NUMBERS.includes(option.type) && isNumber(option, text) ? Number(text) : text;
}

const isNumber = (option, text) => (option.type === OPTION.integer ? /^-?\d+$/ : /^-?(\d+\.?\d*|\.\d+)$/).test(text);
const missing = (option, value) => (option.required && value === undefined ? `${option.label} is needed.` : null);

function bounds({ type, min_value: min, max_value: max }) {
  if (!NUMBERS.includes(type) || (min === undefined && max === undefined)) return null;
  if (min !== undefined && max !== undefined) return `${min} to ${max}`;
  return min !== undefined ? `${min} or more` : `${max} or less`;
}

function outOfBounds(option, text, list) {
  if (text === "") return null;
  if (option.choices && list) return `${option.label}: choose one of the list.`;
  if (!NUMBERS.includes(option.type)) return tooShort(option, text);
  if (!isNumber(option, text)) return `${option.label} must be a ${option.type === OPTION.integer ? "whole " : ""}number.`;
  const outside = Number(text) < (option.min_value ?? -Infinity) || Number(text) > (option.max_value ?? Infinity);
  return outside ? `${option.label} must be ${bounds(option)}.` : null;
}

function tooShort({ label, min_length: least = 0 }, text) {
  return text.length < least ? `${label} needs at least ${least} characters.` : null;
}

/** A field with a label and a line for its problem. */
export function framed(label, field, { description = null, required = false, onRemove = null } = {}) {
  const problem = h("small.problem", { role: "alert" });
  const remove = onRemove && h("button.icon-button.remove",
    { type: "button", tabindex: -1, "aria-label": `Remove ${label}`, onclick: onRemove },
    icon("close"),
  );
  const title = h("label",
    { for: field.input?.id },
    h("span", {}, label, required && h("span.required", { title: "Required" }, " *")),
    description && h("small", {}, description),
  );
  const element = h("div.field", {}, h("div.field-title", {}, title, remove), field.element, problem);
  const check = () => {
    const sentence = field.problem();
    fill(problem, sentence);
    element.classList.toggle("wrong", Boolean(sentence));
    return sentence;
  };
  // Recheck an invalid field on every input, so that its problem disappears as soon as it is valid.
  element.addEventListener("input", () => element.classList.contains("wrong") && check());
  return { ...field, element, check };
}
