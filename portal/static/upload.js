/* Uploading: files are dropped or chosen, sent one by one, and each is told for itself. Without this script the form sends them all at once. */
"use strict";

(() => {
  const form = document.querySelector("form[data-upload]");
  if (!form) return;
  const input = form.querySelector("input[type=file]"), drop = form.querySelector("[data-drop]");
  const chosen = form.querySelector("[data-chosen]"), told = form.querySelector("[data-told]");
  const outcomes = form.querySelector("[data-outcomes]"), button = form.querySelector("button[type=submit]");
  const most = Number(form.dataset.mostFiles), largest = Number(form.dataset.mostBytes);
  let sending = false;

  function size(bytes) {
    let value = bytes;
    for (const name of ["B", "kB", "MB"]) {
      if (Math.round(value) < 1000) return Math.round(value) + "\u00a0" + name;
      value /= 1000;
    }
    return value.toFixed(1) + "\u00a0GB";
  }

  function line(name, words) {
    const item = document.createElement("li");
    item.className = "kg-outcome kg-outcome--sent";
    const body = document.createElement("div"), title = document.createElement("b"), said = document.createElement("span");
    title.className = "kg-break";
    title.textContent = name;
    said.className = "kg-outcome-word";
    said.textContent = words;
    body.append(title, " ", said);
    item.append(body);
    return { item, body, said };
  }

  function showChosen() {
    chosen.replaceChildren(...[...input.files].map((file) => line(file.name, size(file.size)).item));
  }

  function take(files) {
    const all = new DataTransfer();
    const known = new Set();
    for (const file of [...input.files, ...files]) {
      const mark = `${file.name} ${file.size} ${file.lastModified}`;
      if (!known.has(mark)) all.items.add(file);
      known.add(mark);
    }
    input.files = all.files;
    showChosen();
    button.focus({ preventScroll: true });
  }

  function hasFiles(event) {
    return [...(event.dataTransfer ? event.dataTransfer.types : [])].includes("Files");
  }

  for (const name of ["dragenter", "dragover"])
    document.addEventListener(name, (event) => {
      if (!hasFiles(event) || sending) return;
      event.preventDefault();                                // otherwise the browser opens the file in place of the page
      drop.dataset.over = "";
    });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) delete drop.dataset.over; });
  document.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    delete drop.dataset.over;
    if (!sending) take([...event.dataTransfer.files]);
  });
  input.addEventListener("change", showChosen);

  function refusedHere(row, words) {
    row.said.textContent = "Refused";
    row.item.classList.add("kg-outcome--no");
    const why = document.createElement("p");
    why.textContent = words;
    row.body.append(why);
  }

  /* What the server says of one file: an item of the list, or the message of an error page */
  function answered(row, request) {
    if (new URL(request.responseURL || location.href).pathname.startsWith("/sign-in")) { location.reload(); return; }
    const answer = new DOMParser().parseFromString(request.responseText, "text/html");
    const items = [...answer.querySelectorAll("li.kg-outcome")];
    if (items.length) {
      const own = items.map((item) => document.adoptNode(item));
      row.item.replaceWith(...own);
      for (const item of own) htmx.process(item);
      return;
    }
    const message = answer.querySelector(".kg-msg p");
    refusedHere(row, message ? message.textContent : `The portal answered ${request.status}. Load the page again to see what holds now.`);
  }

  function send(file, row) {
    return new Promise((done) => {
      const request = new XMLHttpRequest(), data = new FormData(), bar = document.createElement("progress");
      data.append("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
      data.append("digest", form.elements.digest.value);
      data.append("file", file, file.name);
      bar.max = 100;
      bar.value = 0;
      bar.setAttribute("aria-label", `${file.name} is being sent`);
      row.body.append(bar);
      request.upload.addEventListener("progress", (event) => {
        if (!event.lengthComputable) return;
        bar.value = Math.round(event.loaded / event.total * 100);
        row.said.textContent = event.loaded < event.total ? `Sent ${bar.value}\u00a0%` : "Sent, being read";
        if (event.loaded >= event.total) bar.removeAttribute("value");
      });
      request.addEventListener("load", () => { bar.remove(); answered(row, request); done(); });
      request.addEventListener("error", () => {
        bar.remove();
        refusedHere(row, "The connection broke before the portal could answer. Look at the list of reports, or send it again: the same file twice is one report.");
        done();
      });
      request.open("POST", form.action);
      request.setRequestHeader("HX-Request", "true");
      request.send(data);
    });
  }

  form.addEventListener("submit", async (event) => {
    const files = [...input.files];
    if (!files.length) return;                               // the server says what is missing
    event.preventDefault();
    if (sending) return;
    sending = true;
    button.setAttribute("aria-disabled", "true");
    told.hidden = false;
    chosen.replaceChildren();
    const rows = files.map((file) => [file, line(file.name, size(file.size))]);
    outcomes.prepend(...rows.map(([, row]) => row.item));
    input.value = "";
    told.scrollIntoView({ block: "nearest" });
    for (const [place, [file, row]] of rows.entries()) {
      if (place >= most) refusedHere(row, `At most ${most} files are sent at once. Send it with the next ones.`);
      else if (file.size > largest) refusedHere(row, `It is larger than ${form.dataset.mostWords}, and no report may be. Nothing of it was sent.`);
      else await send(file, row);
    }
    sending = false;
    button.removeAttribute("aria-disabled");
  });
})();
