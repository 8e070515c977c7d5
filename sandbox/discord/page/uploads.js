/** Files to attach: chosen, pasted or dropped, shown with a thumbnail, and uploaded immediately. */
import { fill, h, icon } from "./dom.js";
import { number } from "./times.js";

export function size(bytes) {
  const units = ["B", "KB", "MB", "GB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${number(unit && value < 10 ? value : Math.round(value))} ${units[unit]}`;
}

/** Upload one file. Resolves to the upload id, rejects with a sentence. */
async function send(file) {
  const form = new FormData();
  form.append("file", file, file.name || "pasted.png");
  const answer = await fetch("/people/uploads", { method: "POST", body: form }).catch(() => null);
  if (!answer?.ok) throw new Error(`${file.name || "The file"} could not be uploaded.`);
  return (await answer.json()).upload;
}

/** The files of a paste or a drop. */
export const filesOf = (transfer) => [...(transfer?.files ?? [])];

export class Uploads {
  #entries = [];
  #max;
  #input;
  #onChange;

  /** Holds up to `max` files; `onChange()` is called after each change. */
  constructor({ max = 10, label = "Attach files", onChange = () => {} }) {
    this.#max = max;
    this.#onChange = onChange;
    this.element = h("ul.uploads", { "aria-label": "Attached files", hidden: true });
    const changed = () => {
      this.add([...this.#input.files]);
      this.#input.value = "";
    };
    this.#input = h("input", { type: "file", hidden: true, multiple: max > 1, "aria-label": label, tabindex: -1, onchange: changed });
    this.element.append(this.#input);
  }

  get count() {
    return this.#entries.length;
  }

  /** The file names as they are stored: other characters become underscores. */
  get names() {
    return this.#entries.map(({ name }) => name.replace(/[^A-Za-z0-9._-]/g, "_"));
  }

  get full() {
    return this.count >= this.#max;
  }

  /** Open the file picker. */
  pick() {
    this.#input.click();
  }

  /** Add files. If only one is allowed, the new one replaces it. */
  add(files) {
    if (this.#max === 1 && files.length) this.clear();
    for (const file of files.slice(0, this.#max - this.count)) this.#entries.push(this.#entry(file));
    this.#draw();
  }

  /** The upload ids, once all uploads are complete; rejects with the sentence of the first that failed. */
  ids() {
    return Promise.all(this.#entries.map((entry) => entry.sent));
  }

  clear() {
    this.#entries.forEach((entry) => URL.revokeObjectURL(entry.address));
    this.#entries = [];
    this.#draw();
  }

  #entry(file) {
    const address = file.type.startsWith("image/") ? URL.createObjectURL(file) : null;
    const state = h("small", {}, size(file.size));
    const remove = h("button.icon-button",
      { type: "button", "aria-label": `Remove ${file.name}`, onclick: () => this.#remove(entry) },
      icon("close"),
    );
    const thumbnail = address ? h("img", { src: address, alt: "" }) : h("span.file-mark", {}, icon("file"));
    const entry = { address, name: file.name || "pasted.png", sent: send(file), element: h("li.sending", {}, thumbnail, h("span.file-name", {}, file.name, state), remove) };
    const settled = (problem) => {
      entry.element.classList.remove("sending");
      entry.element.classList.toggle("failed", Boolean(problem));
      if (problem) fill(state, problem.message);
    };
    entry.sent.then(() => settled(), settled);
    return entry;
  }

  #remove(entry) {
    const at = this.#entries.indexOf(entry);
    if (entry.address) URL.revokeObjectURL(entry.address);
    this.#entries.splice(at, 1);
    this.#draw();
    const buttons = this.element.querySelectorAll("button");
    (buttons[at] ?? buttons[at - 1])?.focus();
  }

  #draw() {
    fill(this.element, this.#input, this.#entries.map((entry) => entry.element));
    this.element.hidden = !this.count;
    this.#onChange();
  }
}
