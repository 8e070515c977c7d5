/** Puts the page together: one connection, one state, and the views that listen to it. */
import { Actions } from "./actions.js";
import { Composer } from "./composer.js";
import { fill, find, h, icon } from "./dom.js";
import { Faults } from "./faults.js";
import { Log } from "./log.js";
import { Modals } from "./modal.js";
import { namesFor } from "./names.js";
import { Sidebar } from "./sidebar.js";
import { Connection } from "./socket.js";
import { Studio } from "./state.js";
import { startClock } from "./times.js";
import { banner, toast } from "./toast.js";

const FIRST_PERSON = "Ada";
const LOST_AFTER_MS = 400; // a quick return is no loss worth a banner

const studio = new Studio();
const connection = new Connection({ onFrame: (frame) => studio.apply(frame), onState });
const ask = (what, fields) => connection.ask(what, fields);
const names = namesFor(studio, (id) => studio.show(id));
const actions = new Actions({ studio, ask, toast });

const composer = new Composer({ root: find("composer"), studio, connection });
new Log({
  root: find("log"), newest: find("newest"),
  around: { studio, names, ask, openActions: (message, anchor) => actions.open(message, anchor) },
});
new Modals({ studio, connection, names });
new Faults({ studio, ask, toast });
new Sidebar({ studio, become, join: async (name, moderator) => (await ask("join", { name, moderator })).person });

let lostTimer = null;
function onState(state) {
  clearTimeout(lostTimer);
  if (state === "open") banner(null);
  else lostTimer = setTimeout(lost, LOST_AFTER_MS);
  document.body.dataset.connection = state;
}

/** A server that was started anew does not know the members who joined before: be somebody whom it knows. */
async function lost() {
  banner("The connection is lost. Trying again…");
  const known = await someone(wanted());
  if (known && known !== wanted()) become(known);
}

const wanted = () => new URL(location.href).searchParams.get("as") ?? FIRST_PERSON;

/** `name` (or id) if there is such a person, otherwise the first there is; null while the server cannot be asked. */
async function someone(name) {
  const answer = await fetch("/people").catch(() => null);
  const people = answer?.ok ? (await answer.json()).people.filter(({ bot }) => !bot) : [];
  return people.some((person) => [person.id, person.name].includes(name)) ? name : (people[0]?.name ?? null);
}

/** Be another person; the address says who, so that another tab can be somebody else. */
function become(name) {
  const address = new URL(location.href);
  address.searchParams.set("as", name);
  history.replaceState(null, "", address);
  connection.become(name);
}

function drawPlace() {
  const channel = studio.channel();
  if (!channel) return;
  const unread = [...studio.unread.values()].reduce((sum, count) => sum + count, 0);
  fill(find("place"), icon(channel.kind === "dm" ? "letter" : "hash"), h("span", {}, channel.name));
  const place = channel.kind === "dm" ? channel.name : `#${channel.name}`;
  document.title = `${unread ? `(${unread}) ` : ""}${place} · ${studio.you.name} · Easel Studio`;
}

function drawBot() {
  const { bot } = studio;
  if (!bot) return;
  find("bot").classList.toggle("online", bot.online);
  fill(find("bot"), h("span", {}, `${bot.name} is ${bot.online ? "online" : "offline"}`));
}

studio.on("hello channels show message", drawPlace);
studio.on("hello bot", drawBot);
// Who asked is told in its place by the refused request; the person's other pages are told here.
studio.on("unanswered", ({ text }) => connection.isWaiting || toast(text, { wrong: true }));
document.addEventListener("visibilitychange", () => document.hidden || studio.seen());

// "/" opens the commands from anywhere.
addEventListener("keydown", (event) => {
  const busy = event.target.closest?.("input, textarea, select, dialog, [popover], #faults") || document.querySelector("dialog[open]");
  if (busy || event.ctrlKey || event.metaKey || event.altKey || event.key !== "/") return;
  event.preventDefault();
  composer.slash();
});

startClock();
connection.become(wanted());
