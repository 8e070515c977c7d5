/** People and channels as they are shown: coloured discs with initials, and mentions. */
import { h, icon } from "./dom.js";
import { emojiElement } from "./emoji.js";

const BOT_COLOUR = "#b5502f";

function initials(name) {
  const words = name.trim().split(/\s+/);
  return ([...words[0]][0] + (words.length > 1 ? [...words.at(-1)][0] : ([...words[0]][1] ?? ""))).toUpperCase();
}

/** Black or white, whichever reads better on this colour (WCAG relative luminance). */
function inkOn(colour) {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const part = parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.18 ? "#1d1813" : "#ffffff";
}

/** Colours reach the page as `#rrggbb` or as Discord's integers; 0 and nothing mean none. */
export function colourOf(value) {
  if (typeof value === "number" && value > 0) return `#${value.toString(16).padStart(6, "0")}`;
  return /^#[0-9a-f]{6}$/i.test(value ?? "") ? value : null;
}

export function disc(studio, id, name) {
  const colour = colourOf(studio.person(id)?.colour) ?? (id === studio.bot?.id ? BOT_COLOUR : "#7a6a58");
  return h("span.disc", { "aria-hidden": "true", style: { background: colour, color: inkOn(colour) } }, initials(name || "?"));
}

/** A channel's sign. */
export function channelIcon({ kind, parent_id: parent }) {
  if (parent) return "thread";
  return { dm: "letter", private: "people", elsewhere: "globe" }[kind] ?? "hash";
}

const JUMP = /^https:\/\/(?:\w+\.)?discord\.com\/channels\/(?:@me|\d+)\/(\d+)(?:\/(\d+))?$/;

/** What markdown needs to show `<@id>`, `<@&id>`, `<#id>`, `<:emoji:id>` and links to messages. `goTo(channelId, messageId?)` looks there. */
export function namesFor(studio, goTo) {
  const place = (channel, text, messageId) =>
    h("button.mention", { type: "button", onclick: () => goTo(channel.id, messageId) }, icon(channelIcon(channel)), text);
  return {
    role(id) {
      const role = studio.role(id);
      const mine = studio.you?.roles.includes(id);
      const shown = h(mine ? "span.mention.me" : "span.mention", {}, `@${role?.name ?? "unknown role"}`);
      if (role?.colour) shown.style.setProperty("--role", role.colour);
      return shown;
    },
    emoji: (id, name) => emojiElement(studio, { id, name }),
    /** A link to a message or channel that is here; null for any other address. */
    jump(address) {
      const [, channelId, messageId] = JUMP.exec(address) ?? [];
      const channel = channelId && studio.channel(channelId);
      return channel ? place(channel, messageId ? `${channel.name} › message` : channel.name, messageId) : null;
    },
    mention: (id) => h(id === studio.you?.id ? "span.mention.me" : "span.mention", {}, `@${studio.nameOf(id)}`),
    channel(id) {
      const channel = studio.channel(id);
      if (!channel) return h("span.mention", {}, "#unknown");
      return place(channel, channel.name);
    },
  };
}
