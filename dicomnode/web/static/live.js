// Keeps pages up to date and sends small forms in place. Every page works without it.
//
//   <section id="queue" data-live="jobs studies">   is loaded anew when a server-sent event of that name comes;
//                                                   data-announce="3 waiting" is said to screen readers when it changes;
//                                                   data-every="20" loads it anew after so many seconds besides
//   <form method="post" data-quiet>                 is sent in place; then data-live parts (or those named by
//                                                   data-swap="id id") are loaded anew, and data-done="..." is shown
"use strict";
(() => {
  const PAUSE = 400, REST = 1500, SLOW = 30000;
  const live = () => [...document.querySelectorAll("[data-live][id]")];
  const names = () => new Set(live().flatMap((part) => part.dataset.live.split(/\s+/).filter(Boolean)));

  // A page that loads itself is not somebody who is there: the node keeps no login alive for it.
  const byItself = (address) => {
    const url = new URL(address, location.href);
    url.searchParams.set("auto", "1");
    return url;
  };

  const say = (words) => { document.getElementById("announcer").textContent = words; };

  const toast = (words, wrong) => {
    if (!words) return;
    const made = document.createElement("p");
    made.className = wrong ? "toast wrong" : "toast";
    made.textContent = words;
    document.getElementById("toasts").append(made);
    setTimeout(() => made.remove(), wrong ? 12000 : 5000);
  };

  // What scrolls and holds nothing to be focused is reached by the keyboard itself.
  const letScroll = () => {
    for (const one of document.querySelectorAll(".scroll, pre")) {
      const needed = (one.scrollWidth > one.clientWidth || one.scrollHeight > one.clientHeight) && !one.querySelector("a, button, input, select");
      if (needed) one.tabIndex = 0; else one.removeAttribute("tabindex");
    }
  };
  letScroll();
  addEventListener("resize", letScroll);
  addEventListener("swapped", letScroll);

  // --- Swapping parts ---

  const pathTo = (element, root) => {
    const path = [];
    for (let at = element; at !== root; at = at.parentElement) path.unshift([...at.parentElement.children].indexOf(at));
    return path;
  };
  const follow = (root, path) => path.reduce((at, index) => at && at.children[index], root);
  const same = (one, other) => one && other && one.tagName === other.tagName && one.getAttribute("href") === other.getAttribute("href");

  const keep = (part) => {
    const focused = part.contains(document.activeElement) && document.activeElement !== part ? document.activeElement : null;
    return {
      focused, path: focused && pathTo(focused, part), id: focused && focused.id,
      scrolls: [...part.querySelectorAll(".scroll")].map((one) => [one.scrollLeft, one.scrollTop]),
      open: [...part.querySelectorAll("details")].map((one) => one.open),
    };
  };
  const restore = (part, kept) => {
    [...part.querySelectorAll(".scroll")].forEach((one, index) => {
      if (kept.scrolls[index]) [one.scrollLeft, one.scrollTop] = kept.scrolls[index];
    });
    [...part.querySelectorAll("details")].forEach((one, index) => { if (kept.open[index]) one.open = true; });
    if (!kept.focused) return;
    const byHref = kept.focused.hasAttribute("href") && [...part.querySelectorAll("[href]")].find((one) => same(one, kept.focused));
    const found = (kept.id && document.getElementById(kept.id)) || byHref || follow(part, kept.path);
    if (found) found.focus({ preventScroll: true });
  };

  const isTyping = (part) => {
    const at = document.activeElement;
    return at && part.contains(at) && at.matches("input, select, textarea") || part.querySelector("dialog[open]");
  };

  const swap = (part, fresh) => {
    if (!fresh || isTyping(part) || part.innerHTML === fresh.innerHTML) return;
    const kept = keep(part), top = scrollY;
    part.innerHTML = fresh.innerHTML;
    if (fresh.dataset.announce && fresh.dataset.announce !== part.dataset.announce) say(fresh.dataset.announce);
    for (const { name, value } of fresh.attributes) part.setAttribute(name, value);
    restore(part, kept);
    if (scrollY !== top) scrollTo({ top, behavior: "instant" });
    part.dispatchEvent(new CustomEvent("swapped", { bubbles: true }));
  };

  const read = async (answer) => new DOMParser().parseFromString(await answer.text(), "text/html");

  const loadAnew = async (parts) => {
    const answer = await fetch(byItself(location.href), { headers: { Accept: "text/html" } });
    if (answer.status === 401) { location.reload(); return; }
    if (!answer.ok) return;
    const page = await read(answer);
    for (const part of parts) swap(part, page.getElementById(part.id));
  };

  // Events come in bursts: one load for all of them.
  const due = new Set();
  let timer = 0, loading = false;
  const soon = (parts) => {
    parts.forEach((part) => due.add(part));
    if (!timer && !loading && due.size) timer = setTimeout(loadDue, PAUSE);
  };
  const loadDue = async () => {
    const parts = [...due];
    due.clear();
    timer = 0;
    loading = true;
    try { await loadAnew(parts.filter((part) => part.isConnected)); } catch { /* the node is away: the next event tells */ }
    setTimeout(() => { loading = false; soon([]); }, REST);  // a busy node is not asked without pause
  };

  // --- Events: only while the page is seen, since a browser has few connections to one host ---

  let source = null, slow = 0;
  const listen = () => {
    if (source || !names().size) return;
    source = new EventSource(byItself(`/api/v1/events?names=${[...names()].join(",")}`));
    for (const name of names()) {
      source.addEventListener(name, () => soon(live().filter((part) => part.dataset.live.split(/\s+/).includes(name))));
    }
    source.onopen = () => { clearInterval(slow); slow = 0; };
    source.onerror = () => {
      // Refused for good, or the node is being started anew: look now and then, and try once more.
      if (!slow) slow = setInterval(() => { soon(live()); if (source && source.readyState === EventSource.CLOSED) again(); }, SLOW);
    };
  };
  const close = () => { if (source) source.close(); source = null; clearInterval(slow); slow = 0; };
  const again = () => { if (source) source.close(); source = null; listen(); };

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) close(); else { listen(); soon(live()); }
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => { if (event.persisted) { listen(); soon(live()); } });
  setInterval(() => {
    if (document.hidden) return;
    const now = Date.now();
    soon(live().filter((part) => part.dataset.every && now - (part.loadedAt || (part.loadedAt = now)) > 1000 * part.dataset.every
      && (part.loadedAt = now)));
  }, 1000);

  // --- Forms ---

  const reasonOf = (page) => { const found = page.querySelector(".alert"); return found ? found.textContent.trim() : ""; };

  const send = async (form, button) => {
    const data = new FormData(form, button);
    const body = form.enctype === "multipart/form-data" ? data : new URLSearchParams(data);
    const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "text/html" } });
    const page = await read(answer);
    if (!answer.ok) { toast(reasonOf(page) || `${answer.status} ${answer.statusText}`, true); return; }
    const wanted = form.dataset.swap ? form.dataset.swap.split(/\s+/).map((id) => document.getElementById(id)) : live();
    const at = new URL(answer.url), here = at.pathname === location.pathname && at.search === location.search;
    for (const part of wanted.filter(Boolean)) if (here && page.getElementById(part.id)) swap(part, page.getElementById(part.id));
    if (!here) await loadAnew(wanted.filter(Boolean));
    toast(form.dataset.done, false);
  };

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || !("quiet" in form.dataset) || event.defaultPrevented) return;
    event.preventDefault();
    if (form.dataset.busy) return;
    form.dataset.busy = "yes";
    form.setAttribute("aria-busy", "true");
    try { await send(form, event.submitter); } catch { toast(document.body.dataset.failed, true); }
    delete form.dataset.busy;
    form.removeAttribute("aria-busy");
  });

  // Scripts of single pages may use these.
  window.dicomnode = Object.freeze({ toast, say, refresh: () => soon(live()) });
  listen();
})();
