/** Embeds: a card with a coloured edge. */
import { h } from "./dom.js";
import { isWebAddress, markdown } from "./markdown.js";
import { gallery } from "./media.js";
import { colourOf } from "./names.js";
import { clock, day } from "./times.js";

/** Shown from Discord's copy, as its client does. */
const copied = (medium) => medium && { ...medium, url: medium.proxy_url ?? medium.url };

export function embed(one, names) {
  if (one.type === "image") return gallery([copied(one.thumbnail)]);
  return card({ ...one, image: copied(one.image), thumbnail: copied(one.thumbnail) }, names);
}

function card({ title, url, description, color, author, fields = [], image, thumbnail, footer, timestamp }, names) {
  const linked = isWebAddress(url) && h("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, title);
  const heading = title && (linked || markdown(title, names));
  const date = timestamp && new Date(timestamp);
  const foot = [footer?.text, date && `${day(date)} ${clock(date)}`].filter(Boolean).join(" · ");
  const element = h("article.embed", {},
    thumbnail && h("div.embed-thumbnail", {}, gallery([thumbnail], { small: true })),
    author?.name && h("p.embed-author", {}, author.name),
    heading && h("div.embed-title", {}, heading),
    description && h("div.prose", {}, markdown(description, names)),
    fields.length > 0 && h("dl.embed-fields", {}, fields.map((field) => oneField(field, names))),
    image && gallery([image]),
    foot && h("footer", {}, foot));
  const colour = colourOf(color);
  if (colour) element.style.setProperty("--edge", colour);
  return element;
}

function oneField({ name, value, inline }, names) {
  return h(inline ? "div.inline" : "div", {}, h("dt", {}, name), h("dd.prose", {}, markdown(value, names)));
}
