/** The state of the page: what this person can see, updated by the server's frames. Views listen; only the methods change it. */

const LISTS = ["people", "roles", "channels", "commands", "faults", "bot"];

export class Session extends EventTarget {
  you = null;
  guild = null;
  bot = null;
  people = [];
  roles = [];
  emojis = [];
  stickers = [];
  channels = [];
  commands = [];
  faults = [];
  stories = [];
  channelId = null;
  unread = new Map();
  #messages = new Map();

  /** Apply one pushed frame, and dispatch an event of the same name with the frame as its detail. */
  apply(frame) {
    if (frame.event === "hello") this.#hello(frame);
    else if (frame.event === "message") this.#keep(frame.message);
    else if (frame.event === "deleted") this.#of(frame.channel_id).delete(frame.message_id);
    else if (LISTS.includes(frame.event)) this[frame.event] = frame[frame.event];
    if (frame.event === "people") this.you = this.person(this.you.id) ?? this.you;
    this.#tell(frame.event, frame);
  }

  /** Show a channel and mark it as read. */
  show(channelId) {
    this.channelId = channelId;
    this.unread.delete(channelId);
    this.#tell("show");
  }

  /** The page is visible again: mark the shown channel as read. */
  seen() {
    if (this.unread.delete(this.channelId)) this.#tell("channels");
  }

  /** The shown channel's messages, oldest first. */
  messages() {
    return [...this.#of(this.channelId).values()].sort(byAge);
  }

  message(id) {
    return this.#of(this.channelId).get(id);
  }

  channel(id = this.channelId) {
    return this.channels.find((channel) => channel.id === id);
  }

  person(id) {
    return this.people.find((person) => person.id === id);
  }

  role(id) {
    return this.roles.find((role) => role.id === id);
  }

  /** The commands of a type that are available in the shown channel. */
  offered(type) {
    const { kind, nsfw } = this.channel() ?? {};
    return this.commands.filter((command) => command.type === type && command.kinds.includes(kind) && (!command.nsfw || nsfw || kind !== "text"));
  }

  /** The link to a message, in Discord's format. */
  linkTo(message) {
    return `https://discord.com/channels/${message.guild_id ?? "@me"}/${message.channel_id}/${message.id}`;
  }

  /** Whether a message notifies this person. */
  isPinged({ mentions = [], mention_roles: roles = [], mention_everyone: everyone }) {
    return Boolean(everyone || mentions.some(({ id }) => id === this.you.id) || roles.some((id) => this.you.roles.includes(id)));
  }

  /** The name to show for an id; `user` is used if it is not in the list of people. */
  nameOf(id, user = null) {
    if (id === this.bot?.id) return this.bot.name;
    return this.person(id)?.name ?? user?.global_name ?? user?.username ?? "someone";
  }

  #hello(frame) {
    const samePerson = this.you?.id === frame.you.id;
    const before = this.#messages;
    for (const key of ["you", "guild", "emojis", "stickers", "stories", ...LISTS]) this[key] = frame[key];
    this.#messages = new Map(Object.entries(frame.messages).map(([id, list]) => [id, new Map(list.map((m) => [m.id, m]))]));
    if (!samePerson) this.unread.clear();
    else for (const [id, known] of this.#messages) this.#countMissed(id, known, before.get(id));
    if (!this.channel()) this.channelId = this.channels[0]?.id ?? null;
    this.unread.delete(this.channelId);
  }

  /** After a reconnect, count the messages that arrived in between as unread. */
  #countMissed(channelId, now, before) {
    const missed = [...now.keys()].filter((id) => !before?.has(id)).length;
    if (missed) this.unread.set(channelId, (this.unread.get(channelId) ?? 0) + missed);
  }

  #keep(message) {
    const messages = this.#of(message.channel_id);
    const isNew = !messages.has(message.id);
    messages.set(message.id, message);
    const mine = message.author.id === this.you?.id;
    if (!isNew || mine || (message.channel_id === this.channelId && !document.hidden)) return;
    this.unread.set(message.channel_id, (this.unread.get(message.channel_id) ?? 0) + 1);
  }

  #of(channelId) {
    if (!this.#messages.has(channelId)) this.#messages.set(channelId, new Map());
    return this.#messages.get(channelId);
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  /** Listen to several events, separated by spaces. */
  on(names, listener) {
    for (const name of names.split(" ")) this.addEventListener(name, (event) => listener(event.detail));
  }
}

/** Snowflakes increase with time and are too large for numbers. */
function byAge(left, right) {
  const [a, b] = [BigInt(left.id), BigInt(right.id)];
  return a < b ? -1 : a > b ? 1 : 0;
}
