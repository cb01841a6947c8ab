"use strict";
// Where the chat is, in this one place: a whole address (ws://… or wss://…), or a path on the page's own host.
const wsUri = "/ws/";

const FIRST_WAIT = 1, LONGEST_WAIT = 30;  // seconds between attempts
const PATIENCE = 10;  // seconds until an attempt counts as failed
const TOGETHER = 180;  // seconds; what one person says in between stands under one heading
const KEPT = 1000;  // messages on the page

const $ = (selector) => document.querySelector(selector);
const log = $("#log"), list = $("#said"), outbox = $("#outbox"), text = $("#text");
const session = fresh();  // tells the server that a reconnect is the same page
const seen = new Set();  // messages on the page, so that a reconnect's history repeats none
const unsent = new Map();  // id: text, said but not heard back yet
let wanted = recall(), me = "", here = [], socket, failures = 0, timer, unread = 0, last;

function fresh() {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, "0")).join("");
}

function recall() { try { return sessionStorage.getItem("name") ?? "" } catch { return "" } }
function remember(name) { try { sessionStorage.setItem("name", name) } catch { /* private mode */ } }

// --- what the page shows

function element(tag, className, content = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = content;  // never markup: names and texts come from strangers
  return made;
}

function face(name) {
  const made = element("span", "face", [...name][0].toUpperCase());
  let hash = 2166136261;  // FNV-1a
  for (const c of name) hash = Math.imul(hash ^ c.codePointAt(0), 16777619);
  made.style.setProperty("--hue", (hash >>> 8) % 360);
  made.setAttribute("aria-hidden", "true");
  return made;
}

function clock(at) {
  const today = at.toDateString() === new Date().toDateString();
  const made = element("time", "", at.toLocaleString([], { timeStyle: "short", ...(!today && { dateStyle: "medium" }) }));
  made.dateTime = at.toISOString();
  return made;
}

function isAtEnd() { return log.scrollHeight - log.scrollTop - log.clientHeight < 80 }
function toEnd() { log.scrollTop = log.scrollHeight }

function add(item, where = list) {
  const atEnd = isAtEnd();
  where.append(item);
  $("#empty").hidden = true;
  if (list.children.length > KEPT) list.firstChild.remove();
  if (atEnd) toEnd(); else $("#latest").hidden = false;
}

function note(content) { last = undefined; add(element("li", "note", content)) }

function bubble(name, mine, when, content) {
  const item = element("li", mine ? "message mine" : "message"), by = element("div", "by");
  by.append(element("bdi", "", mine ? "You" : name), " ", when);
  item.append(face(name), by, element("div", "text", content));
  item.lastChild.dir = "auto";
  return item;
}

function show(message) {
  sent(message.id);
  if (seen.has(message.id)) return;
  seen.add(message.id);
  const at = new Date(message.at), mine = message.from === me;
  const item = bubble(message.from, mine, clock(at), message.text);
  item.classList.toggle("more", last?.from === message.from && at - last.at < TOGETHER * 1000);
  last = { from: message.from, at };
  add(item);
}

function people(names, quiet = false) {
  const came = names.filter((n) => !here.includes(n)), went = here.filter((n) => !names.includes(n));
  if (!quiet) {
    if (came.length) note(`${came.join(", ")} joined`);
    if (went.length) note(`${went.join(", ")} left`);
  }
  here = names;
  $("#here").textContent = `Here (${names.length})`;
  const focused = document.activeElement?.id === "rename";
  $("#people ul").replaceChildren(...[...names].sort((a, b) => (b === me) - (a === me)).map(person));
  if (focused) $("#rename")?.focus();
}

function person(name) {
  const item = element("li", ""), who = element("div", "who");
  who.append(element("bdi", "", name));
  item.append(face(name), who);
  if (name === me) {
    const rename = element("button", "link", "Change");
    rename.id = "rename";
    rename.type = "button";
    rename.setAttribute("aria-label", "Change your name");
    rename.onclick = () => leave();
    who.append(element("small", "", "you"), rename);
  }
  return item;
}

function status(is, shown, spoken = shown) {
  $("#app").dataset.is = is;
  $("#status").textContent = shown;
  if (spoken !== null && $("#spoken").textContent !== spoken) $("#spoken").textContent = spoken;
  $("#now").hidden = is !== "waiting";
}

// --- what the server says

const on = {
  welcome(frame) {
    const again = seen.size > 0;
    failures = 0;
    clearTimeout(timer);
    me = frame.name;
    // As many as the server keeps, and we know none of them: there were others before them.
    if (again && frame.history.length >= frame.keeps && !frame.history.some((m) => seen.has(m.id))) {
      note("Some messages were missed");
    }
    frame.history.forEach(show);
    people(frame.people, true);
    status("connected", "Connected");
    for (const id of unsent.keys()) transmit(id);
  },
  people(frame) { people(frame.people) },
  message(frame) {
    const news = !seen.has(frame.id);
    show(frame);
    if (news && document.hidden) document.title = `(${++unread}) Chat`;
  },
  error(frame) {
    if (!me) return leave(`That name doesn’t work: ${frame.message}.`);
    if (!text.value) text.value = unsent.get(frame.id) ?? "";
    sent(frame.id);
    note(`Not sent: ${frame.message}`);
  },
};

// --- the connection, and how it comes back

function connect() {
  clearTimeout(timer);
  status("connecting", failures ? "Reconnecting …" : "Connecting …", null);
  let mine;
  try {
    const address = new URL(wsUri, location.href);
    address.protocol = address.protocol.replace("http", "ws");
    $("#address").textContent = address;
    mine = socket = new WebSocket(address);
  } catch {  // no address, or ws:// from a page that came by https://
    $("#address").textContent = wsUri;
    return status("broken", "Wrong address", "The address of the chat can’t be used from this page");
  }
  timer = setTimeout(() => { if (mine === socket) { socket = undefined; mine.close(); wait() } }, PATIENCE * 1000);
  mine.onopen = () => mine.send(JSON.stringify({ type: "join", name: wanted, session }));
  mine.onmessage = (event) => {
    const frame = JSON.parse(event.data);
    if (mine === socket && Object.hasOwn(on, frame.type)) on[frame.type](frame);
  };
  mine.onclose = () => { if (mine === socket) { socket = undefined; wait() } };
}

function wait() {
  // Doubling, and up to half of it earlier: clients don't come back all at once.
  const seconds = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** failures++) * (1 - Math.random() / 2);
  countdown(Date.now() + seconds * 1000);
}

function countdown(until) {
  clearTimeout(timer);
  const left = Math.ceil((until - Date.now()) / 1000);
  if (left <= 0) return connect();
  status("waiting", `Reconnecting in ${left} s`, "Connection lost, reconnecting");
  timer = setTimeout(countdown, 250, until);
}

function hurry() {
  if ($("#app").dataset.is !== "waiting") return;
  failures = 0;
  connect();
}

// --- what people do

function enter() {
  $("#join").hidden = true;
  $("#app").hidden = false;
  text.focus();
  connect();
}

function leave(why = "") {
  clearTimeout(timer);
  const left = socket;
  socket = undefined;
  left?.close();
  remember(me = "");
  $("#app").dataset.is = "";
  $("#app").hidden = true;
  $("#join").hidden = false;
  $("#why").textContent = why;
  $("#name").value = wanted;
  $("#name").select();
  $("#name").focus();
}

function send() {
  const content = text.value.trim();
  if (!content) return;
  const id = fresh(), item = bubble(me || wanted, true, element("em", "", "waiting for the connection"), content);
  item.dataset.id = id;
  unsent.set(id, content);
  add(item, outbox);
  toEnd();
  text.value = "";
  if ($("#app").dataset.is === "connected") transmit(id);
}

function transmit(id) { socket.send(JSON.stringify({ type: "say", text: unsent.get(id), id })) }

function sent(id) {
  if (unsent.delete(id)) outbox.querySelector(`[data-id="${id}"]`).remove();
}

$("#join").onsubmit = (event) => {
  event.preventDefault();
  wanted = $("#name").value.trim();
  if (wanted) { remember(wanted); enter() }
};
$("#say").onsubmit = (event) => { event.preventDefault(); send(); text.focus() };
text.onkeydown = (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); send() }
};
$("#latest").onclick = () => { toEnd(); text.focus() };
log.onscroll = () => { if (isAtEnd()) $("#latest").hidden = true };
new ResizeObserver(() => { if ($("#latest").hidden) { toEnd(); requestAnimationFrame(toEnd) } }).observe(log);
$("#now").onclick = () => { hurry(); text.focus() };
addEventListener("online", hurry);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  unread = 0;
  document.title = "Chat";
  hurry();
});

if (wanted) enter(); else { $("#join").hidden = false; $("#name").focus() }
