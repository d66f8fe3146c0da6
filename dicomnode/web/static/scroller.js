// A study's images: scrolls through a series by range, arrow keys and wheel, hides and shows what is drawn over them,
// and loads what a document says when it is opened. Without this script the same is reached by links.
"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg", TINTS = 6, LETTERS = 30, AHEAD = 3;
  const hidden = new Set();

  const json = async (address) => {
    const answer = await fetch(address, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  };

  // --- What is drawn over an image ---

  const make = (name, attributes, words) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (words) made.textContent = words;
    return made;
  };

  // The same places as the page draws without a script.
  const outline = (region, layer, tint, label, slice, letter) => {
    const xs = region.points.map((point) => point[0]), ys = region.points.map((point) => point[1]);
    const left = Math.min(...xs), right = Math.max(...xs), top = Math.min(...ys), atEnd = left + right > slice.columns;
    const group = make("g", { class: `tint-${tint}`, "data-layer": layer });
    group.classList.toggle("away", hidden.has(layer));
    group.append(
      make("polygon", { points: region.points.map((point) => point.join(",")).join(" ") }),
      make("text", {
        x: atEnd ? right : left, y: top > 1.5 * letter ? top - 0.4 * letter : Math.max(...ys) + 1.1 * letter,
        "text-anchor": atEnd ? "end" : "start",
      }, label),
    );
    return group;
  };

  const isOn = (region, slice) => region.image.sop_uid === slice.sop_uid && (region.image.frame || 1) === slice.frame;

  const drawn = (results, slice, letter) => {
    const shapes = [];
    for (const result of results) {
      for (const finding of result.findings) {
        for (const region of finding.regions) {
          if (!isOn(region, slice)) continue;
          const label = `${finding.label}: ${finding.score.toFixed(2)}`;
          shapes.push(outline(region, `r${result.result}-f${finding.number}`, 1 + (finding.number - 1) % TINTS, label, slice, letter));
        }
      }
      for (const item of result.attention) {
        if (isOn(item.region, slice)) shapes.push(outline(item.region, `r${result.result}-a`, 0, item.weight.toFixed(2), slice, letter));
      }
      for (const heat of result.saliency) {
        if (isOn({ image: heat.image }, slice)) {
          shapes.unshift(make("image", { class: "heat", href: heat.address, width: slice.columns, height: slice.rows, preserveAspectRatio: "none" }));
        }
      }
    }
    return shapes;
  };

  // --- The series ---

  const start = async (box) => {
    const range = box.querySelector("input[type=range]");
    if (!range) return;
    const { study, series } = box.dataset, base = `/api/v1/studies/${study}`;
    const [slices, every] = await Promise.all([json(`${base}/series/${series}/slices`), json(`${base}/findings`)]);
    if (slices.some((slice) => slice.is_slide)) return;  // few levels, each by its link
    const results = every.filter((result) => result.current && !result.withdrawn);
    const stage = box.querySelector(".stage"), image = box.querySelector("img"), svg = box.querySelector("svg");
    const where = box.querySelector("[data-where]");
    let position = Number(box.dataset.position), shade = box.dataset.window;
    const address = (slice) => (shade === "stored" ? slice.address : `${slice.address}?window=${shade}`);

    const show = (wanted) => {
      position = Math.max(1, Math.min(slices.length, wanted));
      const slice = slices[position - 1], letter = Math.max(slice.columns, slice.rows) / LETTERS;
      image.src = address(slice);
      image.width = slice.columns;
      image.height = slice.rows;
      image.alt = box.dataset.alt.replace("{n}", position).replace("{m}", slices.length);
      const group = make("g", { "font-size": letter });
      group.append(...drawn(results, slice, letter));
      svg.setAttribute("viewBox", `0 0 ${slice.columns} ${slice.rows}`);
      svg.replaceChildren(group);
      range.value = position;
      range.setAttribute("aria-valuetext", image.alt);
      where.textContent = position;
      for (let step = 1; step <= AHEAD; step++) {
        for (const at of [position + step, position - step]) if (slices[at - 1]) new Image().src = address(slices[at - 1]);
      }
      const here = new URL(location.href);
      for (const [key, value] of [["series", series], ["slice", position], ["window", shade]]) here.searchParams.set(key, value);
      history.replaceState(null, "", here);
    };

    const steps = { first: () => 1, previous: () => position - 1, next: () => position + 1, last: () => slices.length };
    const keys = {
      ArrowRight: "next", ArrowDown: "next", PageDown: "next", ArrowLeft: "previous", ArrowUp: "previous", PageUp: "previous",
      Home: "first", End: "last",
    };
    range.hidden = false;
    range.addEventListener("input", () => show(Number(range.value)));
    stage.addEventListener("keydown", (event) => {
      if (!keys[event.key] || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      show(steps[keys[event.key]]() + (event.key.startsWith("Page") ? (event.key === "PageDown" ? 9 : -9) : 0));
    });
    let turned = 0;
    stage.addEventListener("wheel", (event) => {
      // Only where somebody has chosen the image: else the wheel moves the page.
      if (document.activeElement !== stage || event.ctrlKey) return;
      event.preventDefault();
      turned += event.deltaY;
      if (Math.abs(turned) < 30) return;
      show(position + Math.sign(turned));
      turned = 0;
    }, { passive: false });
    stage.addEventListener("pointerdown", () => stage.focus({ preventScroll: true }));
    box.addEventListener("click", (event) => {
      const step = event.target.closest("[data-step]"), preset = event.target.closest("[data-preset]");
      if (!step && !preset) return;
      event.preventDefault();
      if (step) { show(steps[step.dataset.step]()); return; }
      shade = preset.dataset.preset;
      for (const one of box.querySelectorAll("[data-preset]")) one.toggleAttribute("aria-current", one === preset);
      show(position);
    });
    document.addEventListener("click", (event) => {
      const jump = event.target.closest("[data-jump]");
      if (!jump || event.ctrlKey || event.metaKey || event.shiftKey) return;
      const [to, at] = jump.dataset.jump.split(" ");
      if (to !== series) return;
      event.preventDefault();
      show(Number(at));
      box.scrollIntoView({ block: "nearest" });
      stage.focus({ preventScroll: true });
    });
    box.dataset.ready = "yes";
  };

  // --- What is hidden, and what is loaded when it is opened ---

  const hide = () => {
    for (const one of document.querySelectorAll("[data-layer]")) one.classList.toggle("away", hidden.has(one.dataset.layer));
    for (const one of document.querySelectorAll(".heat")) one.classList.toggle("away", hidden.has("heat"));
    for (const box of document.querySelectorAll("[data-shows], [data-shows-heat]")) box.checked = !hidden.has(box.dataset.shows || "heat");
  };
  document.addEventListener("change", (event) => {
    if (!event.target.matches("[data-shows], [data-shows-heat]")) return;
    const layer = event.target.dataset.shows || "heat";
    if (event.target.checked) hidden.delete(layer); else hidden.add(layer);
    hide();
  });
  document.addEventListener("swapped", hide);

  document.addEventListener("toggle", async (event) => {
    const details = event.target;
    if (!(details instanceof HTMLDetailsElement) || !details.open || !details.dataset.load || details.dataset.loaded) return;
    details.dataset.loaded = "yes";
    const answer = await fetch(details.dataset.load, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const found = page.getElementById("document");
    if (!answer.ok || !found) return;
    found.removeAttribute("id");
    details.replaceChildren(details.querySelector("summary"), found);
  }, true);

  for (const box of document.querySelectorAll(".scroller")) start(box).catch(() => { /* its links still work */ });
})();
