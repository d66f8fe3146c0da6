// The tester of rules: files are dropped or chosen, their beginnings sent, and the answer is drawn.
"use strict";
(() => {
  const form = document.getElementById("tester"), drop = document.getElementById("drop"), out = document.getElementById("tried");
  if (!form) return;
  const words = form.dataset, input = form.elements.files;
  // What identifies an instance stands before its pixels: more of a large file need not travel.
  const HEAD = 4 * 1024 * 1024;

  const made = (tag, text, name) => {
    const element = document.createElement(tag);
    if (text) element.textContent = text;
    if (name) element.className = name;
    return element;
  };

  const verdicts = { infer: ["runs", "state live"], refused: ["refused", "state refused"], out_of_scope: ["scope", "state"] };

  const modelRow = (model) => {
    const row = made("li"), [word, look] = verdicts[model.kind] || ["not", "state off"], notes = [];
    const verdict = made("span");
    verdict.append(made("span", words[word], look));
    if (model.rules.length) notes.push(`${words.rules} ${model.rules.join(", ")}`);
    else if (model.kind) notes.push(words.noRules);
    if (model.silent) notes.push(words.silent);
    else if (model.targets.length) notes.push(`${words.targets} ${model.targets.join(", ")}`);
    verdict.append(made("span", notes.length ? ` ${notes.join("; ")}` : "", "quiet"));
    const reason = made("p", model.reason, "quiet");
    reason.lang = "en";
    row.append(made("b", model.model), verdict, reason);
    return row;
  };

  const studyCard = (study) => {
    const card = made("article"), list = made("ul");
    card.append(made("h3", `${study.modalities.join(", ")}: ${study.series} ${words.series}, ${study.instances} ${words.images}`));
    card.append(made("p", study.study_instance_uid, "uid"));
    for (const note of study.notes) { const line = made("p", note); line.lang = "en"; card.append(line); }
    list.append(...study.models.map(modelRow));
    card.append(list);
    return card;
  };

  const wrong = (text) => { const line = made("p", text, "alert"); line.setAttribute("role", "alert"); line.lang = "en"; return line; };

  const show = (trial) => {
    out.replaceChildren(...trial.unreadable.map(wrong), ...trial.studies.map(studyCard));
  };

  const test = async (files) => {
    if (!files.length) return;
    out.replaceChildren(made("p", `${words.wait}…`, "quiet"));
    const body = new FormData();
    for (const file of files) body.append("files", file.size > HEAD ? file.slice(0, HEAD) : file, "file");
    const asked = new URL(form.action);
    for (const name of ["called_ae_title", "calling_ae_title"]) asked.searchParams.set(name, form.elements[name].value.trim());
    const headers = { Accept: "application/json" };
    if (form.elements.csrf) headers["X-CSRF-Token"] = form.elements.csrf.value;
    try {
      const answer = await fetch(asked, { method: "POST", body, headers });
      const content = await answer.json();
      if (answer.ok) show(content); else out.replaceChildren(wrong(content.detail));
    } catch {
      out.replaceChildren(wrong(document.body.dataset.failed));
    }
  };

  let last = [];
  const again = (files) => { last = [...files]; test(last); };
  input.addEventListener("change", () => again(input.files));
  form.addEventListener("submit", (event) => { event.preventDefault(); test(last); });
  for (const name of ["called_ae_title", "calling_ae_title"]) form.elements[name].addEventListener("change", () => test(last));
  for (const kind of ["dragenter", "dragover"]) drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => { event.preventDefault(); again(event.dataTransfer.files); });
})();
