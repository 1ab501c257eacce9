"use strict";

const settings = document.documentElement.dataset;
const part = (id) => document.getElementById(id);
const said = [];
const attached = new Set();
let asking = null;

function made(tag, name, text) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  return element;
}

function tell(folder, text) {
  part(`${folder}-status`).textContent = text;
}

async function refusalOf(response) {
  try {
    return (await response.json()).error;
  } catch {
    return `The service answered with status ${response.status}.`;
  }
}

function show(who, text) {
  const item = made("li");
  const body = made("p", "text", text);
  item.append(made("p", "who", who), body);
  part("conversation").append(item);
  follow();
  return { item, body };
}

function follow() {
  const list = part("conversation");
  list.scrollTop = list.scrollHeight;
}

function busy(yes) {
  part("send").hidden = yes;
  part("stop").hidden = !yes;
  part("conversation").setAttribute("aria-busy", String(yes));
}

async function* lines(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const pieces = (rest + value).split("\n");
    rest = pieces.pop();
    yield* pieces.filter(Boolean).map((line) => JSON.parse(line));
  }
}

async function ask(question) {
  const files = [...attached];
  said.push({ role: "user", content: question });
  show("You", question);
  const answer = show("Chatbot", "");
  const note = (text, wrong) => answer.item.append(made("p", wrong ? "aside wrong" : "aside", text));
  asking = new AbortController();
  busy(true);
  let ended = false;
  try {
    const response = await fetch("/chat", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ messages: said, files }),
      signal: asking.signal,
    });
    if (!response.ok) throw new Error(await refusalOf(response));
    attached.clear();
    showAttached();
    for await (const event of lines(response)) {
      if (event.text) answer.body.textContent += event.text;
      if (event.notice) note(event.notice, false);
      if (event.error) note(event.error, true);
      ended = ended || Boolean(event.end);
      follow();
    }
    if (!ended) note("The connection ended in the middle of the answer.", true);
  } catch (error) {
    const cut = error instanceof TypeError ? "The connection ended. The service may be restarting." : error.message;
    note(error.name === "AbortError" ? "Stopped." : cut, error.name !== "AbortError");
  }
  if (answer.body.textContent) said.push({ role: "assistant", content: answer.body.textContent });
  else said.pop();
  asking = null;
  busy(false);
  follow();
  part("message").focus();
}

function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1048576 ? `${Math.round(bytes / 1024)} KiB` : `${(bytes / 1048576).toFixed(1)} MiB`;
}

function button(text, label, act) {
  const element = made("button", "small", text);
  element.type = "button";
  element.setAttribute("aria-label", label);
  element.addEventListener("click", act);
  return element;
}

function fileRow(folder, file) {
  const item = made("li");
  const link = made("a", "", file.name);
  const address = `/files/${folder}/${encodeURIComponent(file.name)}`;
  link.href = address;
  link.setAttribute("download", "");
  item.append(link, made("span", "size", size(file.size)));
  if (folder === "uploads") item.append(button("Attach", `Attach ${file.name} to the next message`, () => {
    attached.add(file.name);
    showAttached();
  }));
  item.append(button("Remove", `Remove ${file.name}`, async () => {
    const response = await fetch(address, { method: "DELETE" });
    tell(folder, response.ok ? `${file.name} is removed.` : await refusalOf(response));
    attached.delete(file.name);
    showAttached();
    await list(folder);
  }));
  return item;
}

async function list(folder) {
  const response = await fetch(`/files/${folder}`);
  const files = response.ok ? (await response.json()).files : [];
  const rows = files.map((file) => fileRow(folder, file));
  part(folder).replaceChildren(...(rows.length ? rows : [made("li", "none", "No files yet.")]));
}

function showAttached() {
  const rows = [...attached].map((name) => {
    const item = made("li");
    item.append(button(`${name} ×`, `Leave out ${name}`, () => {
      attached.delete(name);
      showAttached();
    }));
    return item;
  });
  part("attached").replaceChildren(...rows);
  part("attached").hidden = !rows.length;
}

async function upload(file) {
  const most = Number(settings.fileBytes);
  if (file.size > most) return tell("uploads", `${file.name} is too big: ${size(file.size)}, at most ${size(most)}.`);
  tell("uploads", `Uploading ${file.name} …`);
  const response = await fetch(`/files/uploads/${encodeURIComponent(file.name)}`, { method: "PUT", body: file });
  tell("uploads", response.ok ? `${file.name} is uploaded.` : await refusalOf(response));
  return list("uploads");
}

async function exportConversation() {
  if (!said.length) return tell("exports", "There is nothing to export yet.");
  const response = await fetch("/export", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ messages: said }),
  });
  tell("exports", response.ok ? `Exported as ${(await response.json()).name}.` : await refusalOf(response));
  return list("exports");
}

part("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  const question = part("message").value;
  if (asking || !question.trim()) return;
  part("message").value = "";
  ask(question);
});
part("message").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  part("ask").requestSubmit();
});
part("stop").addEventListener("click", () => asking?.abort());
part("upload").addEventListener("change", async (event) => {
  for (const file of event.target.files) await upload(file);
  event.target.value = "";
});
part("export").addEventListener("click", exportConversation);

part("answers").textContent = settings.model === "echo" ? "no model" : settings.model;
part("echo-note").hidden = settings.model !== "echo";
part("upload-row").hidden = settings.uploads !== "on";
part("uploads-off").hidden = settings.uploads === "on";
list("uploads");
list("exports");
