/** A message's components: buttons, selects and the layout parts of Components V2. */
import { h, icon } from "./dom.js";
import { itemsOf } from "./choices.js";
import { emojiElement, emojiText } from "./emoji.js";
import { picker } from "./listbox.js";
import { isWebAddress, markdown, spoiler } from "./markdown.js";
import { fileLink, gallery } from "./media.js";
import { colourOf } from "./names.js";
import { PART } from "./parts.js";

const STYLES = { 1: "primary", 2: "secondary", 3: "success", 4: "danger", 5: "link", 6: "premium" };

/** The element of each kind of component. Unknown kinds are shown as unknown instead of being left out. */
const RENDER = {
  [PART.row]: (part, around) => h("div.row", {}, all(part.components, around)),
  [PART.button]: button,
  ...Object.fromEntries(
    [PART.stringSelect, PART.userSelect, PART.roleSelect, PART.mentionableSelect, PART.channelSelect].map((type) => [type, select]),
  ),
  [PART.section]: (part, around) => h("div.section", {},
    h("div.section-text", {}, all(part.components, around)),
    h("div.accessory", {}, render(part.accessory, around)),
  ),
  [PART.text]: (part, around) => h("div.prose", {}, markdown(part.content, around.names)),
  [PART.thumbnail]: (part, around) => h("div.thumbnail", {}, gallery([medium(part, around)], { small: true })),
  [PART.gallery]: (part, around) => gallery(part.items.map((item) => medium(item, around))),
  [PART.file]: (part, around) => fileLink(medium({ ...part, media: part.file }, around)),
  [PART.separator]: ({ divider = true, spacing = 1 }) => h(divider ? "hr.separator" : "div.separator", { "data-spacing": spacing }),
  [PART.container]: container,
};

/** `around`: {session, names, message, perform(what, fields) → promise}. */
export function components(parts, around) {
  return all(parts, around);
}

const all = (parts, around) => (parts ?? []).map((part) => render(part, around));

function render(part, around) {
  return RENDER[part.type]?.(part, around) ?? h("p.subtext", {}, `(a component of type ${part.type}, which this page cannot show)`);
}

function button(part, around) {
  const content = [part.emoji && emojiElement(around.session, part.emoji), part.label];
  const style = STYLES[part.style] ?? "secondary";
  const name = part.label ?? emojiText(part.emoji);
  if (style === "link") {
    const works = isWebAddress(part.url) && !part.disabled;
    const address = works ? { href: part.url, target: "_blank", rel: "noopener noreferrer" } : { "aria-disabled": "true" };
    return h("a.button.link", address, content, icon("out"));
  }
  const click = () => around.perform("click", { custom_id: part.custom_id }, element);
  const element = h(`button.${style}`,
    {
      type: "button", "aria-label": name, disabled: Boolean(part.disabled), dataset: { key: part.custom_id ?? "" },
      onclick: click,
    },
    content,
  );
  return element;
}

function select(part, around) {
  const field = picker({
    label: part.placeholder ?? "Choose", placeholder: part.placeholder, items: itemsOf(part, around.session),
    min: part.min_values ?? 1, max: part.max_values ?? 1, disabled: Boolean(part.disabled),
    onDone: (values) => around.perform("select", { custom_id: part.custom_id, values }, field.button),
  });
  field.button.dataset.key = part.custom_id;
  return field.element;
}

/** A media item with its address; `attachment://name` is the message's own file of that name. */
function medium({ media, description, spoiler: marked, name, size }, { message }) {
  const own = message.attachments?.find((attachment) => `attachment://${attachment.filename}` === media.url);
  return {
    ...own, ...media, url: own?.url ?? media.url, filename: own?.filename ?? name, size: own?.size ?? size,
    description: description ?? own?.description, spoiler: marked,
  };
}

function container(part, around) {
  const inside = all(part.components, around);
  const box = h("div.container", {}, part.spoiler ? spoiler(inside) : inside);
  const colour = colourOf(part.accent_color);
  if (colour) box.style.setProperty("--edge", colour);
  return box;
}
