/** How people and channels are shown: coloured discs with initials, and mentions. */
import { h, icon } from "./dom.js";
import { emojiElement } from "./emoji.js";

const BOT_COLOUR = "#b5502f";

function initials(name) {
  const words = name.trim().split(/\s+/);
  return ([...words[0]][0] + (words.length > 1 ? [...words.at(-1)][0] : ([...words[0]][1] ?? ""))).toUpperCase();
}

/** Black or white, whichever has more contrast with this colour: always 4.5:1 or more (WCAG relative luminance). */
function inkOn(colour) {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const part = parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000000" : "#ffffff";
}

/** Colours are `#rrggbb` or Discord's integers; 0 and null mean no colour. */
export function colourOf(value) {
  if (typeof value === "number" && value > 0) return `#${value.toString(16).padStart(6, "0")}`;
  return /^#[0-9a-f]{6}$/i.test(value ?? "") ? value : null;
}

export function disc(session, id, name) {
  const { avatar } = session.person(id) ?? {};
  if (avatar) return h("img.disc", { src: `/avatars/${id}/${avatar}.png`, alt: "" });
  const colour = colourOf(session.person(id)?.colour) ?? (id === session.bot?.id ? BOT_COLOUR : "#7a6a58");
  return h("span.disc", { "aria-hidden": "true", style: { background: colour, color: inkOn(colour) } }, initials(name || "?"));
}

/** The name of a channel's icon. */
export function channelIcon({ kind, parent_id: parent }) {
  if (parent) return "thread";
  return { dm: "letter", private: "people", elsewhere: "globe" }[kind] ?? "hash";
}

const JUMP = /^https:\/\/(?:\w+\.)?discord\.com\/channels\/(?:@me|\d+)\/(\d+)(?:\/(\d+))?$/;

/**
 * What markdown needs to show `<@id>`, `<@&id>`, `<#id>`, `</command:id>`, `<:emoji:id>` and links to messages. `goTo(channelId, messageId?)` shows
 * a channel or message, `commands` is the message box.
 */
export function namesFor(session, goTo, commands) {
  const place = (channel, text, messageId) =>
    h("button.mention", { type: "button", onclick: () => goTo(channel.id, messageId) }, icon(channelIcon(channel)), text);
  return {
    role(id) {
      const role = session.role(id);
      const mine = session.you?.roles.includes(id);
      const shown = h(mine ? "span.mention.me" : "span.mention", {}, `@${role?.name ?? "unknown role"}`);
      if (role?.colour) shown.style.setProperty("--role", role.colour);
      return shown;
    },
    emoji: (id, name) => emojiElement(session, { id, name }),
    /** A link to a known channel or a message in it; null for any other address. */
    jump(address) {
      const [, channelId, messageId] = JUMP.exec(address) ?? [];
      const channel = channelId && session.channel(channelId);
      return channel ? place(channel, messageId ? `${channel.name} › message` : channel.name, messageId) : null;
    },
    mention: (id) => h(id === session.you?.id ? "span.mention.me" : "span.mention", {}, `@${session.nameOf(id)}`),
    /** A command by its path; a click opens it. One that this person cannot run here is only named. */
    command(path) {
      const label = commands().labelOf(path);
      if (label === null) return h("span.mention", {}, `/${path}`);
      return h("button.mention", { type: "button", onclick: () => commands().open(path) }, `/${label}`);
    },
    channel(id) {
      const channel = session.channel(id);
      if (!channel) return h("span.mention", {}, "#unknown");
      return place(channel, channel.name);
    },
  };
}
