// The page Predict: files go to POST /api/v1/predict, and what comes back is drawn over the pictures.
"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg", MIB = 1024 * 1024;
  // Colours of a map from weak to strong, and how much of the picture they cover.
  const RAMP = [[0, 0, 140, 0], [20, 90, 220, 90], [30, 190, 180, 150], [250, 220, 60, 205], [215, 25, 28, 235]];
  const by = (id) => document.getElementById(id);
  const form = by("predict"), words = by("words").dataset, results = by("results"), wrong = by("wrong");
  const fill = (text, ...values) => values.reduce((filled, value, place) => filled.replace(`{${place}}`, value), text);
  const copyOf = (id) => by(id).content.firstElementChild.cloneNode(true);
  let files = [], running = false, again = false, address = "";

  // --- What is asked ---

  const model = () => form.elements.model.value;
  const about = () => form.querySelector(`.about[data-model="${CSS.escape(model())}"]`);
  const count = (number) => number === 1 ? words.one : fill(words.many, number);

  const showModel = () => {
    for (const part of form.querySelectorAll(".about")) part.hidden = part !== about();
    const { classes, task, spacing } = about().dataset;
    by("spacing").hidden = spacing === undefined;
    form.elements.spacing.placeholder = spacing || "";
    by("of-class").hidden = task !== "classification" || spacing !== undefined;
    const choice = form.elements.class;
    choice.replaceChildren(choice.options[0], ...classes.split(" ").map((name) => new Option(name, name)));
    choice.value = "";
  };

  const choose = (chosen) => {
    if (!chosen.length) return;
    files = chosen;
    by("chosen").textContent = files.length === 1 ? files[0].name : `${count(files.length)}: ${files[0].name} …`;
    form.querySelector("[type=submit]").disabled = false;
    ask();
  };

  const query = () => {
    const parameters = new URLSearchParams({ model: model() });
    const spacing = form.elements.spacing.value.replace(",", ".");
    if (!by("spacing").hidden && spacing) parameters.set("spacing", spacing);
    if (!by("of-class").hidden && form.elements.class.value) parameters.set("class", form.elements.class.value);
    return parameters;
  };

  // --- Asking ---

  const fail = (sentence, language) => {
    wrong.textContent = sentence;
    wrong.lang = language || document.documentElement.lang;
    wrong.hidden = false;
    by("state").replaceChildren();
  };

  const working = () => {
    wrong.hidden = true;
    results.setAttribute("aria-busy", "true");
    const sentence = document.createElement("p");
    sentence.textContent = fill(words.working, model(), count(files.length));
    const bar = document.createElement("progress");
    bar.setAttribute("aria-label", sentence.textContent);
    by("state").replaceChildren(sentence, bar);
    return setTimeout(() => { sentence.textContent += ` ${words.starting}`; }, 1500);
  };

  const refused = async (answer) => {
    if (answer.status === 503) return fail(fill(words.busy, answer.headers.get("Retry-After") || "30"));
    const problem = await answer.json().catch(() => ({}));
    return fail(problem.detail || document.body.dataset.failed, problem.detail ? "en" : undefined);
  };

  const ask = async () => {
    const size = files.reduce((sum, file) => sum + file.size, 0);
    if (files.length > form.dataset.mostFiles || size > form.dataset.mostMib * MIB) return fail(words.tooMany);
    if (running) { again = true; return undefined; }  // one question at a time, and the last one counts
    running = true;
    const started = performance.now(), parameters = query(), later = working();
    const body = new FormData();
    for (const file of files) body.append("file", file, "file");
    try {
      const answer = await fetch(`${form.dataset.address}?${parameters}&pictures=true`, {
        method: "POST", body, headers: { "X-CSRF-Token": form.dataset.csrf, Accept: "application/json" },
      });
      if (again) return undefined;
      if (!answer.ok) return await refused(answer);
      show(await answer.json(), parameters);
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      by("state").textContent = fill(words.done, seconds);
    } catch {
      fail(document.body.dataset.failed);
    } finally {
      clearTimeout(later);
      results.removeAttribute("aria-busy");
      running = false;
      if (again) { again = false; ask(); }
    }
    return undefined;
  };

  // --- What comes back ---

  const show = (answer, parameters) => {
    by("answers").replaceChildren(...answer.results.map((result) => shownResult(result)));
    URL.revokeObjectURL(address);
    address = URL.createObjectURL(new Blob([JSON.stringify(answer, null, 2)], { type: "application/json" }));
    by("download").href = address;
    const name = answer.results[0]?.images[0]?.is_dicom ? "image.dcm" : "picture.png";
    by("curl").textContent = `curl -H "Authorization: Bearer $TOKEN" -F file=@${name} \\\n  "${location.origin}${form.dataset.address}?${parameters}"`;
    const images = answer.results.flatMap((result) => result.images);
    showTools("of-maps", images.some((image) => image.map));
    showTools("of-marks", images.some((image) => image.boxes.length || image.outlines.length || image.attention.length));
    results.hidden = false;
    results.focus({ preventScroll: true });
    results.scrollIntoView({ block: "nearest" });
    dispatchEvent(new Event("swapped"));
  };

  const showTools = (name, shown) => {
    for (const tool of results.getElementsByClassName(name)) tool.hidden = !shown;
  };

  const titleOf = ({ files: places, page }) => {
    if (places.length > 1) return fill(words.files, places.length, places[0]);
    const name = files[places[0] - 1]?.name || fill(words.file, places[0]);
    return page > 1 ? `${name}, ${fill(words.page, page)}` : name;
  };

  const shownResult = (result) => {
    const part = copyOf("result");
    part.querySelector("h2").textContent = titleOf(result);
    part.querySelector(".outcome").append(copyOf(`outcome-${result.outcome}`));
    part.querySelector(".reason").textContent = result.reason;
    part.querySelector(".images").append(...result.images.map((image) => shownImage(image, result)));
    part.querySelector(".scores").append(...scoresOf(result));
    return part;
  };

  const scoresOf = ({ answer, findings }) => {
    if (!answer) return [];
    const kind = answer.calibrated ? words.probability : words.score, parts = [];
    const whole = [bar(answer.concept.meaning, answer.score, answer.threshold)];
    for (const side of answer.sides) whole.push(bar(side.laterality.meaning, side.score, answer.threshold));
    parts.push(list(fill(kind, answer.threshold.toFixed(3)), whole));
    if (answer.classes.length) {
      const classes = answer.classes.map((item) => bar(item.concept.meaning, item.score));
      classes[0].classList.add("strongest");
      parts.push(list(words.classes, classes));
    }
    if (findings.length) parts.push(list(words.findings, findings.map((item) => bar(`${item.label}: ${item.concept.meaning}`, item.score, answer.threshold))));
    return parts;
  };

  const list = (title, bars) => {
    const part = copyOf("scores");
    part.querySelector("h3").textContent = title;
    part.querySelector("dl").append(...bars);
    return part;
  };

  const bar = (name, score, threshold) => {
    const part = copyOf("score"), share = part.querySelector(".share"), point = part.querySelector(".point");
    const at = threshold === undefined ? "" : `, ${words.threshold} ${threshold.toFixed(3)}`;
    part.querySelector("dt").textContent = name;
    part.querySelector(".figure").textContent = score.toFixed(3);
    part.querySelector(".value").setAttribute("width", 100 * score);
    share.setAttribute("aria-label", `${name}: ${score.toFixed(3)}${at}`);
    if (threshold === undefined) point.remove();
    else for (const end of ["x1", "x2"]) point.setAttribute(end, 100 * threshold);
    share.classList.toggle("over", threshold !== undefined && score >= threshold);
    return part;
  };

  // --- Pictures ---

  const element = (name, attributes) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };

  const shownImage = (image, result) => {
    const part = copyOf("image"), overlay = part.querySelector(".overlay"), title = fill(words.image, image.position);
    overlay.style.setProperty("--aspect", image.columns / image.rows);
    if (image.picture) overlay.append(Object.assign(new Image(), { src: image.picture, alt: title }));
    const drawing = element("svg", { viewBox: `0 0 ${image.columns} ${image.rows}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    if (image.map) drawing.append(shownMap(image.map));
    drawing.append(marksOf(image));
    overlay.append(drawing);
    part.querySelector("figcaption").textContent = captionOf(image, title, result.answer);
    return part;
  };

  const captionOf = (image, title, answer) => {
    const size = fill(words.pixels, image.columns, image.rows);
    const sentences = [image.is_dicom ? `${title}, ${size}` : size];
    if (image.map) sentences.push(fill(words[{ grad_cam: "gradCam", tile_scores: "tileScores", saliency: "saliency" }[image.map.kind]], image.map.of?.meaning));
    if (answer && image.boxes.length && !image.boxes.some((box) => box.reaches_threshold)) sentences.push(words.nothing);
    return sentences.join(" ");
  };

  const marksOf = (image) => {
    const group = element("g", { class: "marks" }), size = image.rows / 22;
    for (const item of image.attention) group.append(element("polygon", { points: item.points.join(" "), class: "looked-at" }));
    for (const { box: [x1, y1, x2, y2], reaches_threshold } of image.boxes) {
      if (reaches_threshold) group.append(element("rect", { x: x1, y: y1, width: x2 - x1, height: y2 - y1, class: "box" }));
    }
    for (const { label, points } of image.outlines) {
      group.append(element("polygon", { points: points.join(" ") }));
      const left = Math.min(...points.map(([x]) => x)), top = Math.min(...points.map(([, y]) => y));
      const text = element("text", { x: left, y: Math.max(size, top - size / 3), "font-size": size });
      text.textContent = label;
      group.append(text);
    }
    return group;
  };

  const shownMap = (map) => {
    const [x1, y1, x2, y2] = map.box, kind = map.kind === "grad_cam" ? "map" : "map tiles";
    const made = element("image", { x: x1, y: y1, width: x2 - x1, height: y2 - y1, preserveAspectRatio: "none", class: kind, opacity: by("opacity").value / 100 });
    coloured(map.png).then((address) => made.setAttribute("href", address));
    return made;
  };

  const coloured = async (address) => {
    const grey = Object.assign(new Image(), { src: address });
    await grey.decode();
    const canvas = Object.assign(document.createElement("canvas"), { width: grey.naturalWidth, height: grey.naturalHeight });
    const pen = canvas.getContext("2d");
    pen.drawImage(grey, 0, 0);
    const pixels = pen.getImageData(0, 0, canvas.width, canvas.height), values = pixels.data;
    for (let at = 0; at < values.length; at += 4) {
      const place = values[at] / 255 * (RAMP.length - 1), low = Math.min(Math.floor(place), RAMP.length - 2), share = place - low;
      const known = values[at + 3] / 255;
      for (let channel = 0; channel < 4; channel++) values[at + channel] = RAMP[low][channel] * (1 - share) + RAMP[low + 1][channel] * share;
      values[at + 3] *= known;
    }
    pen.putImageData(pixels, 0, 0);
    return canvas.toDataURL();
  };

  // --- Files that are dropped: folders too ---

  const inside = async (entry) => {
    if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
    const reader = entry.createReader(), found = [];
    for (;;) {
      const entries = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!entries.length) break;
      for (const one of entries) found.push(...await inside(one));
    }
    return found.filter((file) => !file.name.startsWith(".") && file.name.toUpperCase() !== "DICOMDIR");
  };

  const dropped = async (transfer) => {
    const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean), loose = [...transfer.files];
    if (!entries.some((entry) => entry.isDirectory)) return loose;
    return (await Promise.all(entries.map(inside))).flat();
  };

  const drop = by("drop");
  for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
  drop.addEventListener("drop", async (event) => {
    event.preventDefault();
    choose(await dropped(event.dataTransfer));
  });
  addEventListener("paste", (event) => choose([...event.clipboardData.files]));
  by("files").addEventListener("change", (event) => choose([...event.target.files]));
  form.addEventListener("submit", (event) => { event.preventDefault(); ask(); });
  form.elements.model.addEventListener("change", () => { showModel(); if (files.length) ask(); });
  for (const name of ["class", "spacing"]) form.elements[name].addEventListener("change", () => { if (files.length) ask(); });

  // --- How it is shown ---

  by("show-map").addEventListener("change", (event) => results.classList.toggle("hide-map", !event.target.checked));
  by("show-marks").addEventListener("change", (event) => results.classList.toggle("hide-marks", !event.target.checked));
  by("opacity").addEventListener("input", (event) => {
    for (const map of results.querySelectorAll(".map")) map.setAttribute("opacity", event.target.value / 100);
  });
  by("copy").addEventListener("click", async (event) => {
    getSelection().selectAllChildren(by("curl"));
    await navigator.clipboard?.writeText(by("curl").textContent);
    event.target.textContent = event.target.dataset.done;
  });
  showModel();
})();
