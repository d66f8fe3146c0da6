// The review page: shows a row, sends what the reviewer does with it, and shows the row that comes back.
"use strict";

const at = (id) => document.getElementById(id);
const drawing = at("drawing");
const words = at("bar").dataset, ROWS = words.rows, CSRF = words.csrf;
let rows = [];
let row = null;
let asked = 0;
let drag = null;

async function request(address, change) {
  const options = change && {
    method: "POST", headers: { "Content-Type": "application/json", ...(CSRF && { "X-CSRF-Token": CSRF }) }, body: JSON.stringify(change),
  };
  const answer = await fetch(address, options);
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.detail || answer.statusText);
  return content;
}

function tell(error) {
  at("error").textContent = error ? error.message : "";
  at("error").hidden = !error;
}

async function begin() {
  try {
    rows = await request(ROWS);
    at("total").textContent = rows.length;
    at("number").max = rows.length;
    await show(Number(location.hash.slice(1)) - 1 || 0);
  } catch (error) {
    tell(error);
  }
}

async function show(number) {
  if (!rows.length) return;
  const wanted = Math.min(Math.max(number, 0), rows.length - 1);
  const mine = ++asked;
  try {
    const found = await request(`${ROWS}/${wanted}`);
    if (mine !== asked) return; // the reviewer has gone on
    setDrawing(false);
    put(found);
    history.replaceState(null, "", `#${wanted + 1}`);
    tell(null);
  } catch (error) {
    if (mine === asked) tell(error);
  }
}

function step(direction) {
  const kind = at("shown").value;
  let number = row ? row.number + direction : 0;
  while (rows[number] && kind !== "all" && !rows[number][kind]) number += direction;
  if (rows[number]) show(number);
  else tell(new Error(direction > 0 ? words.last : words.first));
}

function put(found) {
  row = found;
  rows[row.number].changed = row.changes.length > 0;
  at("number").value = row.number + 1;
  at("title").textContent = row.title;
  at("changes").textContent = row.changes.length ? `${words.changed}: ${row.changes.join(", ")}` : "";
  at("notes").replaceChildren(...row.notes.map((note) => {
    const item = document.createElement("li");
    item.textContent = note;
    return item;
  }));
  for (const button of document.querySelectorAll(".label")) {
    button.setAttribute("aria-pressed", String(button.dataset.label === row.label));
  }
  for (const [part, picture] of Object.entries(row.pictures)) putPicture(part, picture);
  at("swap").disabled = !row.pictures.mask && !row.pictures.crop;
  at("reset").disabled = !row.changes.length;
  putBox(row.box);
}

function putPicture(part, picture) {
  const figure = at(part);
  const image = figure.querySelector("img");
  figure.querySelector(".missing").hidden = Boolean(picture);
  figure.querySelector(".name").textContent = picture ? `${picture.width} × ${picture.height}, ${picture.name}` : "";
  image.hidden = !picture;
  if (!picture) return image.removeAttribute("src");
  image.alt = `${part} of ${row.title}`;
  image.classList.toggle("small", Math.max(picture.width, picture.height) < 128);
  if (image.getAttribute("src") !== picture.address) {
    image.classList.add("waits");
    image.src = picture.address;
  }
  if (part === "image") drawing.setAttribute("viewBox", `0 0 ${picture.width} ${picture.height}`);
}

function putBox(box) {
  const [left, top, right, bottom] = box || [0, 0, 0, 0];
  const values = { x: left, y: top, width: right - left, height: bottom - top };
  for (const [name, value] of Object.entries(values)) at("box").setAttribute(name, value);
  at("box").setAttribute("visibility", box ? "visible" : "hidden");
}

async function change(wanted) {
  if (!row) return;
  const mine = ++asked;
  try {
    const found = await request(`${ROWS}/${row.number}`, wanted);
    rows[found.number].changed = found.changes.length > 0;
    if (mine === asked) put(found);
    tell(null);
  } catch (error) {
    tell(error);
    if (mine === asked && row) putBox(row.box);
  }
}

function setDrawing(on) {
  drawing.classList.toggle("drawing", on);
  at("draw").setAttribute("aria-pressed", String(on));
}

function place(event) {
  const frame = drawing.getBoundingClientRect();
  const { width, height } = row.pictures.image;
  const inside = (value, most) => Math.min(Math.max(Math.round(value), 0), most);
  return [
    inside(((event.clientX - frame.left) / frame.width) * width, width),
    inside(((event.clientY - frame.top) / frame.height) * height, height),
  ];
}

function dragged(event) {
  const [x, y] = place(event);
  return [Math.min(drag[0], x), Math.min(drag[1], y), Math.max(drag[0], x), Math.max(drag[1], y)];
}

drawing.addEventListener("pointerdown", (event) => {
  const wanted = event.pointerType === "mouse" || drawing.classList.contains("drawing");
  if (!row || !row.pictures.image || event.button !== 0 || !wanted) return;
  drag = place(event);
  drawing.setPointerCapture(event.pointerId);
  event.preventDefault();
});
drawing.addEventListener("pointermove", (event) => { if (drag) putBox(dragged(event)); });
drawing.addEventListener("pointerup", (event) => {
  if (!drag) return;
  const box = dragged(event);
  drag = null;
  setDrawing(false);
  // A click is no box.
  if (box[2] - box[0] < 2 || box[3] - box[1] < 2) putBox(row.box);
  else change({ action: "box", box });
});
drawing.addEventListener("pointercancel", () => { drag = null; if (row) putBox(row.box); });

for (const image of document.querySelectorAll(".picture img")) {
  image.addEventListener("load", () => image.classList.remove("waits"));
  image.addEventListener("error", () => {
    image.classList.remove("waits");
    if (image.getAttribute("src")) tell(new Error(`${image.alt}: cannot be shown`));
  });
}

const actions = {
  previous: () => step(-1),
  next: () => step(1),
  swap: () => { if (!at("swap").disabled) change({ action: "swap" }); },
  clear: () => change({ action: "box" }),
  reset: () => { if (!at("reset").disabled) change({ action: "reset" }); },
  draw: () => setDrawing(!drawing.classList.contains("drawing")),
  "help-button": () => at("help").showModal(),
};
for (const [id, act] of Object.entries(actions)) at(id).addEventListener("click", act);
for (const button of document.querySelectorAll(".label")) {
  button.addEventListener("click", () => change({ action: "label", label: button.dataset.label }));
}
at("number").addEventListener("change", (event) => show(Number(event.target.value) - 1));

const keys = {
  ArrowRight: "next", j: "next", ArrowLeft: "previous", k: "previous",
  s: "swap", x: "clear", u: "reset", d: "draw", "?": "help-button",
};
document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, select") || at("help").open;
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const label = document.querySelectorAll(".label")[Number(key) - 1];
  if (keys[key]) actions[keys[key]]();
  else if (label) label.click();
  else return;
  event.preventDefault();
});
window.addEventListener("hashchange", () => show(Number(location.hash.slice(1)) - 1));

begin();
