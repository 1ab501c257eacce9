/* Known Good: what makes pages quicker. Every page works without it. */
"use strict";

/* Copy: the whole value, and a word for those who do not see the mark */
async function copyText(text) {
  if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
  const field = document.createElement("textarea");       // plain http inside a company has no clipboard interface
  field.value = text;
  field.className = "kg-vh";
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  if (!done) throw new Error("The browser did not copy");
}

function say(words) {
  const region = document.getElementById("kg-said");
  region.textContent = "";
  requestAnimationFrame(() => { region.textContent = words; });
}

async function copyFrom(button) {
  const before = document.activeElement;
  try {
    await copyText(button.dataset.copy);
    button.dataset.copied = "";
    say("Copied");
    setTimeout(() => delete button.dataset.copied, 1500);
  } catch {
    say("Not copied. Select the text and copy it by hand.");
  }
  if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
}

/* Dialogs: a link leads to the page; with this script it opens the dialog beside it instead */
function openDialog(id) {
  const dialog = document.getElementById(id);
  if (!(dialog instanceof HTMLDialogElement)) return false;
  for (const menu of document.querySelectorAll("[popover]:popover-open")) menu.hidePopover();
  if (!dialog.open) dialog.showModal();
  return true;
}

document.addEventListener("click", (event) => {
  const on = event.target instanceof Element ? event.target : null;
  if (!on) return;
  const copy = on.closest("[data-copy]");
  if (copy) { copyFrom(copy); return; }
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  const opener = on.closest("[data-dialog]");
  if (opener && openDialog(opener.dataset.dialog)) { event.preventDefault(); return; }
  const closer = on.closest("dialog [data-close]");
  if (closer) { event.preventDefault(); closer.closest("dialog").close(); }
});

/* One deed, one request: a second press of a button that sends is not heard */
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || event.defaultPrevented) return;
  if (form.dataset.sent) { event.preventDefault(); return; }
  form.dataset.sent = "1";
  setTimeout(() => delete form.dataset.sent, 5000);        // a form may answer with a file, and then the page stays
});
window.addEventListener("pageshow", () => {               // back from the history: forms may be sent again
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

/* Times: the same rule as portal/templatetags/moments.py */
const NBSP = "\u00a0";
const DAY = 86400, HOUR = 3600, MINUTE = 60;

function largest(seconds) {
  for (const [size, name] of [[DAY, "d"], [HOUR, "h"], [MINUTE, "min"]])
    if (seconds >= size) return Math.floor(seconds / size) + NBSP + name;
  return Math.floor(seconds) + NBSP + "s";
}

function twoUnits(total) {
  if (total < MINUTE) return total + NBSP + "s";
  if (total >= 14 * DAY) return Math.floor(total / DAY) + NBSP + "d";
  const [size, name, small, smallName] = total < HOUR ? [MINUTE, "min", 1, "s"] : total < DAY ? [HOUR, "h", MINUTE, "min"] : [DAY, "d", HOUR, "h"];
  const rest = Math.floor((total % size) / small);
  return Math.floor(total / size) + NBSP + name + (rest ? " " + rest + NBSP + smallName : "");
}

function relativeWords(kind, seconds) {
  if (kind === "age") return twoUnits(Math.max(0, Math.floor(seconds)));
  if (Math.abs(seconds) < 5) return "just now";
  return seconds > 0 ? largest(seconds) + " ago" : "in " + largest(-seconds);
}

/* The server's clock counts, not that of the person's machine */
const aheadOfServer = (() => {
  const made = Date.parse(document.documentElement.dataset.now || "");
  return Number.isNaN(made) ? 0 : Date.now() - made;
})();

function tick() {
  const now = Date.now() - aheadOfServer;
  for (const time of document.querySelectorAll("time[data-relative]")) {
    const seconds = (now - Date.parse(time.dateTime)) / 1000;
    if (Number.isNaN(seconds) || Math.abs(seconds) >= 90 * DAY) continue;
    const words = relativeWords(time.dataset.relative, seconds);
    if (time.textContent !== words) time.textContent = words;
  }
}

/* The exact time on hover also in the person's own zone, unless that is UTC */
function addLocalTimes(root) {
  for (const time of root.querySelectorAll("time[data-local]")) {   // lines of a log: the person's own time, UTC on hover
    const moment = new Date(time.dateTime);
    delete time.dataset.local;
    if (Number.isNaN(moment.getTime()) || moment.getTimezoneOffset() === 0) continue;
    const two = (number) => String(number).padStart(2, "0");
    time.textContent = `${two(moment.getHours())}:${two(moment.getMinutes())}:${two(moment.getSeconds())}.${String(moment.getMilliseconds()).padStart(3, "0")}`;
  }
  for (const time of root.querySelectorAll("time[title$=' UTC']")) {
    const moment = new Date(time.dateTime);
    if (Number.isNaN(moment.getTime()) || moment.getTimezoneOffset() === 0) continue;
    time.title += "\n" + moment.toLocaleString([], { dateStyle: "medium", timeStyle: "medium" }) + ", your time";
  }
}

setInterval(() => { if (!document.hidden) tick(); }, 1000);
document.addEventListener("visibilitychange", () => { if (!document.hidden) tick(); });

/* Keys */
const KEYS_OFF = "known-good-keys-off";
let awaitsLetter = 0;

function keysAreOn() {
  try { return localStorage.getItem(KEYS_OFF) === null; } catch { return true; }
}

function isTyping(target) {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

function pressed(key) {
  if (Date.now() - awaitsLetter < 1200) {
    awaitsLetter = 0;
    const link = document.querySelector(`a[data-key="${CSS.escape(key)}"]`);
    if (link) location.assign(link.href);
    return Boolean(link);
  }
  if (key === "g") { awaitsLetter = Date.now(); return true; }
  if (key === "?") return openDialog("kg-keys");
  if (key === "/") {
    const fields = [...document.querySelectorAll("#main [data-search], [data-search]")];
    const field = fields.find((one) => one.checkVisibility());
    if (field) { field.focus(); field.select(); }
    return Boolean(field);
  }
  return false;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || isTyping(event.target)) return;
  if (document.querySelector("dialog[open]") || !keysAreOn()) return;
  if (pressed(event.key)) event.preventDefault();
});

/* Fragments: what a person reads, holds or has opened stays as it is */
const kept = new WeakMap();

function remember(root) {
  const scrolled = new Map();
  for (const box of root.querySelectorAll(".kg-log[id], .kg-scroll[id]"))
    scrolled.set(box.id, { top: box.scrollTop, left: box.scrollLeft, atEnd: box.scrollHeight - box.scrollTop - box.clientHeight < 8 });
  const opened = [...root.querySelectorAll("details[id]")].map((one) => [one.id, one.open]);
  const focused = root.contains(document.activeElement) ? document.activeElement.id : "";
  return { scrolled, opened, focused };
}

function restore(state) {
  for (const [id, was] of state.scrolled) {
    const box = document.getElementById(id);
    if (!box) continue;
    box.scrollTop = was.atEnd && box.matches(".kg-log") ? box.scrollHeight : was.top;
    box.scrollLeft = was.left;
  }
  for (const [id, open] of state.opened) {
    const one = document.getElementById(id);
    if (one) one.open = open;
  }
  const focused = state.focused && document.getElementById(state.focused);
  if (focused && document.activeElement !== focused) focused.focus({ preventScroll: true });
}

function showEnds(root) {
  for (const log of root.querySelectorAll(".kg-step--running .kg-log")) log.scrollTop = log.scrollHeight;
}

function isBeingSelected(root) {
  const selection = document.getSelection();
  return Boolean(selection) && !selection.isCollapsed && root.contains(selection.anchorNode);
}

document.addEventListener("htmx:beforeRequest", (event) => {
  const polled = !event.detail.requestConfig.triggeringEvent;
  if (polled && document.hidden) event.preventDefault();   // nobody looks; the next tick asks again
});

document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, target, requestConfig } = event.detail;
  const polled = !requestConfig.triggeringEvent;
  if (polled && xhr.status === 200 && isBeingSelected(target)) { event.detail.shouldSwap = false; return; }
  kept.set(xhr, remember(target));
});

document.addEventListener("htmx:afterSettle", (event) => {
  const state = event.detail.xhr && kept.get(event.detail.xhr);
  if (state) restore(state);
  tellAnswering();
  addLocalTimes(event.detail.elt);
  tick();
  const slot = document.getElementById("kg-dialog-slot");
  const dialog = slot && slot.contains(event.detail.elt) && slot.querySelector("dialog.kg-dialog:not([open])");
  if (dialog) dialog.showModal();
});

/* When a request is refused or lost, the person reads so where the page's messages are */
const LOST = "kg-lost";

function putMessage(message, id) {
  const region = document.getElementById("kg-messages");
  if (!region) return;
  const before = id && document.getElementById(id);
  if (before) return;
  message.id = id || "";
  region.append(message);
  message.setAttribute("role", "alert");
  message.scrollIntoView({ block: "nearest" });
}

function messageOf(first, rest) {
  const message = document.createElement("div");
  message.className = "kg-msg kg-msg--stop";
  const said = document.createElement("p");
  const bold = document.createElement("b");
  bold.textContent = first;
  said.append(bold, " ", rest);
  message.append(said);
  return message;
}

document.addEventListener("htmx:responseError", (event) => {
  const answer = new DOMParser().parseFromString(event.detail.xhr.responseText, "text/html");
  const found = answer.querySelector(".kg-msg");
  if (event.detail.xhr.status === 401 || answer.querySelector("[data-sign-in]")) { location.reload(); return; }
  putMessage(found ? document.adoptNode(found) : messageOf("Not done.", `The portal answered ${event.detail.xhr.status}. Load the page again to see what holds now.`));
});

document.addEventListener("htmx:sendError", () => {
  putMessage(messageOf("The portal does not answer.", "What is shown here may be old. It asks again by itself."), LOST);
});

function tellAnswering() {
  const lost = document.getElementById(LOST);
  if (lost) lost.remove();
}

function begin() {
  addLocalTimes(document);
  tick();
  showEnds(document);
  const box = document.getElementById("kg-keys-on");
  if (!box) return;
  box.checked = keysAreOn();
  box.addEventListener("change", () => {
    try { if (box.checked) localStorage.removeItem(KEYS_OFF); else localStorage.setItem(KEYS_OFF, "1"); } catch { /* kept for this page only */ }
  });
}

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin); else begin();
