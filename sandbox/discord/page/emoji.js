/** Emoji: Unicode ones are text, the server's own are pictures. */
import { h } from "./dom.js";

export const emojiText = (emoji) => (emoji ? (emoji.id ? `:${emoji.name}:` : emoji.name) : null);

/** How an emoji is named in a request. */
export const emojiName = ({ id, name }) => (id ? `<:${name}:${id}>` : name);

/** An element for Discord's emoji object; an own emoji that the server does not have is shown by its name. */
export function emojiElement(studio, emoji) {
  const own = emoji.id && studio.emojis.find(({ id }) => id === emoji.id);
  if (own) return h("img.own-emoji", { src: own.url, alt: `:${own.name}:`, title: `:${own.name}:`, width: 20, height: 20 });
  return h("span.mark", {}, emojiText(emoji));
}

/** What somebody typed as an emoji: the server's own may be written as `:name:`. */
export function typedEmoji(studio, text) {
  const own = studio.emojis.find(({ name }) => text === `:${name}:`);
  return own ? emojiName(own) : text;
}
