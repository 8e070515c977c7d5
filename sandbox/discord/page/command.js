/** The form of one slash command: its image first, then what is required; other options that work are added on request. */
import { fill, h, icon, rove } from "./dom.js";
import { OPTION, framed, optionField } from "./fields.js";
import { inLanguage, shownChoice, shownOption } from "./languages.js";
import { filesOf } from "./uploads.js";

const SLASH = 1; // application command type
const FIRST = ["generate", "edit", "help"]; // what people want first; what only managers may use is last
const LAST = FIRST.length + 1;
const MODEL = ["model", "style"]; // options that decide which other options work

/** Every slash command of the shown channel, subcommands by their full name ("admin pause"). `label` is in the person's language, `place` its place in the list. */
export function runnable(session) {
  const { locale } = session.you;
  return session.offered(SLASH).flatMap((command) => {
    const place = command.default_member_permissions ? LAST : (FIRST.indexOf(command.name) + 1 || LAST) - 1;
    return leaves(command.name, inLanguage(command, "name", locale), command, locale).map((leaf) => ({ ...leaf, place }));
  });
}

function leaves(name, label, command, locale) {
  const { options = [] } = command;
  const inner = options.filter(({ type }) => type === OPTION.subcommand || type === OPTION.group);
  const below = (option) => leaves(`${name} ${option.name}`, `${label} ${inLanguage(option, "name", locale)}`, option, locale);
  if (inner.length) return inner.flatMap(below);
  return [{ name, label, description: inLanguage(command, "description", locale), options: options.map((one) => shownOption(one, locale)) }];
}

export class CommandForm {
  #fields = new Map();
  #home;
  #more;
  #problem;
  #run;
  #useless = new Set(); // options for which the bot has nothing to choose, such as those that the model lacks
  #asked = null;

  /** `onDone()` is called when the command was sent or cancelled. */
  constructor(command, { session, connection, onDone }) {
    Object.assign(this, { command, session, connection, onDone });
    this.#home = h("div.fields", {});
    this.#more = h("div.chips.scrolls", { role: "toolbar", "aria-label": "Optional settings" });
    this.#problem = h("p.problem", { role: "alert" });
    this.#run = h("button.primary", { type: "submit" }, "Run", icon("send"));
    const close = h("button.icon-button", { type: "button", "aria-label": "Cancel this command", onclick: onDone }, icon("close"));
    const title = h("header.command-title", {}, h("strong", {}, `/${command.label}`), h("span", {}, command.description), close);
    const listeners = {
      onsubmit: (event) => this.#submit(event), onkeydown: (event) => this.#key(event), onpaste: (event) => this.#paste(event),
    };
    const attributes = { "aria-label": `Command ${command.label}`, novalidate: true, ...listeners };
    this.element = h("form.command", attributes, title, this.#home, h("footer", {}, this.#more, this.#run), this.#problem);
    rove(this.#more, "button", { next: "ArrowRight", previous: "ArrowLeft" });
    const [image] = command.options.filter((one) => !one.required);
    if (image?.type === OPTION.attachment) this.#add(image);
    for (const option of command.options.filter((one) => one.required)) this.#add(option);
    this.#drawChips();
    this.#askWhatWorks();
    this.element.addEventListener("focusout", () => this.#askWhatWorks());
  }

  /** Focus the first field and put `text`, typed after the command's name, into it. */
  start(text = "") {
    const first = [...this.#fields.values()].find((field) => field.fill);
    if (text && first) first.fill(text);
    (first ?? this.#fields.values().next().value ?? { focus: () => this.#run.focus() }).focus();
  }

  /** Put files into free attachment options, adding optional ones as needed. Returns whether any file was accepted. */
  take(files) {
    let taken = false;
    for (const file of files) {
      const free = [...this.#fields.values()].find((field) => field.take?.([file]));
      if (free) taken = true;
      else taken = this.#takeInto(this.#unused().find((option) => option.type === OPTION.attachment), file) || taken;
    }
    return taken;
  }

  #takeInto(option, file) {
    return option !== undefined && this.#add(option).take([file]);
  }

  #unused() {
    return this.command.options.filter(({ name }) => !this.#fields.has(name) && !this.#useless.has(name));
  }

  #add(option) {
    const suggest = (typed) => this.#suggest(option, typed);
    const inner = optionField(option, { session: this.session, suggest });
    const onRemove = option.required ? null : () => this.#remove(option);
    const field = framed(option.label, inner, { description: option.description, required: option.required, onRemove });
    this.#fields.set(option.name, field);
    this.#home.append(field.element);
    this.#drawChips();
    return field;
  }

  #remove(option) {
    this.#fields.get(option.name).element.remove();
    this.#fields.delete(option.name);
    this.#drawChips();
    (this.#more.querySelector(`[data-option="${CSS.escape(option.name)}"]`) ?? this.#run).focus();
  }

  /** Ask the bot, as its member would by trying: an option without any suggestion does not work with the chosen model. */
  async #askWhatWorks() {
    const chosen = JSON.stringify(await Promise.all(MODEL.map((name) => this.#fields.get(name)?.read())));
    if (chosen === this.#asked) return;
    this.#asked = chosen;
    const asked = this.command.options.filter(({ name, autocomplete, required }) => autocomplete && !required && name !== "model");
    const works = await Promise.all(asked.map((option) => this.#suggest(option, "").then((choices) => choices.length > 0, () => true)));
    if (chosen !== this.#asked) return; // the answer to a newer question follows
    this.#useless = new Set(asked.filter((_, at) => !works[at]).map(({ name }) => name));
    this.#drawChips();
  }

  #drawChips() {
    const focused = this.#more.contains(document.activeElement) && document.activeElement.dataset.option;
    const chip = (option, at) =>
      h("button.chip",
        {
          type: "button", title: option.description, tabindex: at ? -1 : 0, dataset: { option: option.name },
          onclick: () => this.#add(option).focus(),
        },
        icon("plus"),
        option.label,
      );
    fill(this.#more, this.#unused().map(chip));
    this.#more.hidden = !this.#unused().length;
    if (focused) (this.#more.querySelector(`[data-option="${CSS.escape(focused)}"]`) ?? this.#more.querySelector("button") ?? this.#run).focus();
  }

  async #suggest(option, typed) {
    const options = { ...(await this.#values({ lenient: true })), [option.name]: typed };
    const { choices } = await this.connection.ask("autocomplete",
      { channel_id: this.session.channelId, command: this.command.name, options, focused: option.name },
    );
    return choices.map((choice) => shownChoice(choice, this.session.you.locale));
  }

  /** The filled options by name. `lenient` leaves out files, so that suggestions need not wait for uploads. */
  async #values({ lenient = false } = {}) {
    const values = {};
    for (const [name, field] of this.#fields) {
      if (lenient && field.take) continue;
      const value = await field.read();
      if (value !== undefined) values[name] = value;
    }
    return values;
  }

  async #submit(event) {
    event.preventDefault();
    const wrong = [...this.#fields.values()].filter((field) => field.check());
    if (wrong.length) return wrong[0].focus();
    this.#busy(true);
    try {
      await this.connection.ask("slash", { channel_id: this.session.channelId, command: this.command.name, options: await this.#values() });
      return this.onDone();
    } catch (problem) {
      fill(this.#problem, problem.message);
      return this.#busy(false);
    }
  }

  #busy(busy) {
    this.#run.disabled = busy;
    this.element.setAttribute("aria-busy", busy);
    if (busy) fill(this.#problem);
  }

  #key(event) {
    const { target } = event;
    const inText = target.tagName === "TEXTAREA";
    const sends = event.ctrlKey || event.metaKey || (inText && !event.shiftKey && !event.isComposing);
    if (event.key === "Enter" && sends) {
      event.preventDefault();
      return this.element.requestSubmit();
    }
    if (event.key === "Backspace" && !(inText && target.value)) this.#giveUpField(event, target);
    return null;
  }

  /** Backspace in an optional field without text removes the field. */
  #giveUpField(event, target) {
    const option = this.command.options.find(({ name }) => this.#fields.get(name)?.element.contains(target));
    if (!option || option.required) return;
    event.preventDefault();
    this.#remove(option);
  }

  #paste(event) {
    const files = filesOf(event.clipboardData);
    if (files.length && this.take(files)) event.preventDefault();
  }
}
