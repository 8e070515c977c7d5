/** What can be chosen in lists: the options of a select menu, people, roles and channels. item: {value, label, detail?, mark?, selected?} */
import { emojiText } from "./emoji.js";
import { PART } from "./parts.js";

/** Channel types: https://discord.com/developers/docs/resources/channel#channel-object-channel-types */
const TEXT_CHANNEL = 0;
const PUBLIC_THREAD = 11;

export const people = (studio) => studio.people.map(({ id, name, bot }) => ({ value: id, label: name, detail: bot ? "bot" : null }));
export const roles = (studio) => studio.roles.map(({ id, name }) => ({ value: id, label: `@${name}`, detail: "role" }));
export const mentionables = (studio) => [...people(studio), ...roles(studio)];

/** The server's channels and threads, if wanted of certain types only. */
export function channels(studio, { channel_types: types = [] } = {}) {
  const fits = ({ kind, parent_id: parent }) => kind === "text" && (!types.length || types.includes(parent ? PUBLIC_THREAD : TEXT_CHANNEL));
  return studio.channels.filter(fits).map(({ id, name }) => ({ value: id, label: `#${name}` }));
}

const stringItems = (_studio, { options = [] }) =>
  options.map((option) => ({
    value: option.value, label: option.label, detail: option.description, mark: emojiText(option.emoji),
    selected: option.default,
  }));

const ITEMS = {
  [PART.userSelect]: people, [PART.roleSelect]: roles, [PART.mentionableSelect]: mentionables, [PART.channelSelect]: channels,
};

/** The items of a select menu (or of a group of boxes), with those that are chosen from the start. */
export function itemsOf(part, studio) {
  const preset = new Set((part.default_values ?? []).map(({ id }) => id));
  const items = (ITEMS[part.type] ?? stringItems)(studio, part);
  return items.map((item) => ({ ...item, selected: Boolean(item.selected || preset.has(item.value)) }));
}
