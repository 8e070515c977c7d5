/** Items for lists of choices: the options of a select menu, people, roles and channels. item: {value, label, detail?, mark?, selected?} */
import { emojiText } from "./emoji.js";
import { PART } from "./parts.js";

/** Channel types: https://discord.com/developers/docs/resources/channel#channel-object-channel-types */
const TEXT_CHANNEL = 0;
const PUBLIC_THREAD = 11;

export const people = (session) => session.people.map(({ id, name, bot }) => ({ value: id, label: name, detail: bot ? "bot" : null }));
export const roles = (session) => session.roles.map(({ id, name }) => ({ value: id, label: `@${name}`, detail: "role" }));
export const mentionables = (session) => [...people(session), ...roles(session)];

/** The server's channels and threads, optionally only of certain types. */
export function channels(session, { channel_types: types = [] } = {}) {
  const fits = ({ kind, parent_id: parent }) => kind === "text" && (!types.length || types.includes(parent ? PUBLIC_THREAD : TEXT_CHANNEL));
  return session.channels.filter(fits).map(({ id, name }) => ({ value: id, label: `#${name}` }));
}

const stringItems = (_studio, { options = [] }) =>
  options.map((option) => ({
    value: option.value, label: option.label, detail: option.description, mark: emojiText(option.emoji),
    selected: option.default,
  }));

const ITEMS = {
  [PART.userSelect]: people, [PART.roleSelect]: roles, [PART.mentionableSelect]: mentionables, [PART.channelSelect]: channels,
};

/** The items of a select menu or of a group of checkboxes, with the default selection. */
export function itemsOf(part, session) {
  const preset = new Set((part.default_values ?? []).map(({ id }) => id));
  const items = (ITEMS[part.type] ?? stringItems)(session, part);
  return items.map((item) => ({ ...item, selected: Boolean(item.selected || preset.has(item.value)) }));
}
