"use strict";
// Keeps a page up to date: takes server-sent events, puts rendered parts in place, appends to the log.
// Parts are HTML that this daemon rendered and escaped; the policy lets no script in them run.
(() => {
  const MOST_LINES = 2000, FIRST_WAIT = 500, LONGEST_WAIT = 8000, SILENCE = 45000;
  const source = document.querySelector("[data-live]");
  const sign = document.querySelector("[data-live-sign]");

  const seconds = (s) => {
    if (s < 60) return `${Math.floor(s)} s`;
    const m = Math.floor(s / 60);
    return m < 60 ? `${m} min ${Math.floor(s % 60)} s` : `${Math.floor(m / 60)} h ${m % 60} min`;
  };
  const tick = () => {
    for (const clock of document.querySelectorAll("[data-since]")) {
      const text = seconds(Math.max(0, (Date.now() - Date.parse(clock.dataset.since)) / 1000));
      if (clock.textContent !== text) clock.textContent = text;
    }
  };
  setInterval(tick, 1000);
  tick();

  // Whoever presses a button twice means it once.
  document.addEventListener("submit", (event) => {
    if (event.target.method !== "post") return;
    if (event.target.dataset.sent) event.preventDefault();
    event.target.dataset.sent = "yes";
  });
  addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((f) => delete f.dataset.sent));
  if (!source) return;

  const show = (state, words) => {
    if (!sign || sign.dataset.state === state) return;
    sign.hidden = false;
    sign.dataset.state = state;
    sign.textContent = words;
  };

  const parsed = (html) => {
    const box = document.createElement("template");
    box.innerHTML = html;
    return box.content;
  };

  // Children whose data-key stays are left as they are: somebody may be typing in them.
  const put = (host, html) => {
    const fresh = [...parsed(html).children];
    const keys = new Set(fresh.map((node) => node.dataset.key).filter(Boolean));
    const kept = new Map();
    for (const node of [...host.children]) {
      if (keys.has(node.dataset.key)) kept.set(node.dataset.key, node);
      else node.remove();
    }
    let at = host.firstElementChild;
    for (const node of fresh) {
      const own = kept.get(node.dataset.key) || node;
      if (own === at) at = at.nextElementSibling;
      else host.insertBefore(own, at);
    }
    const titled = host.querySelector("[data-title]");
    if (titled) document.title = titled.dataset.title;
  };

  const append = (id, html) => {
    const host = document.querySelector(`[data-append="${id}"]`);
    if (!host) return;
    const atEnd = host.scrollHeight - host.scrollTop - host.clientHeight < 40;
    const rows = parsed(id === "events" ? `<table><tbody>${html}</tbody></table>` : html);
    for (const row of rows.querySelectorAll(id === "events" ? "tr" : "li")) {
      if (!document.getElementById(row.id)) host.append(row);
    }
    while (host.childElementCount > MOST_LINES) host.firstElementChild.remove();
    if (atEnd) host.scrollTop = host.scrollHeight;
  };

  let last = source.dataset.after || "", wait = FIRST_WAIT, stream = null, timer = 0, heard = 0;

  const open = () => {
    clearTimeout(timer);
    const address = new URL(source.dataset.live, location.href);
    if (last) address.searchParams.set("after", last);
    stream = new EventSource(address);
    heard = Date.now();
    const on = (name, act) => stream.addEventListener(name, (event) => {
      heard = Date.now();
      if (event.lastEventId) last = event.lastEventId;
      act(event.data ? JSON.parse(event.data) : {});
    });
    stream.onopen = () => { wait = FIRST_WAIT; heard = Date.now(); show("live", "Live"); };
    on("part", ({ id, html }) => {
      const host = document.querySelector(`[data-part="${id}"]`);
      if (host) put(host, html);
      tick();
    });
    on("append", ({ id, html }) => append(id, html));
    on("still", () => {});
    on("end", () => { stream.close(); stream = null; show("ended", "Finished"); });
    stream.onerror = lost;
  };
  // EventSource itself gives up for good when a proxy answers 502, so coming back is ours.
  const lost = () => {
    stream?.close();
    show("lost", "Connection lost, trying again");
    clearTimeout(timer);
    timer = setTimeout(open, wait);
    wait = Math.min(wait * 2, LONGEST_WAIT);
  };
  const back = () => { if (sign?.dataset.state === "lost" && !document.hidden) { wait = FIRST_WAIT; stream?.close(); open(); } };
  addEventListener("online", back);
  addEventListener("offline", () => { if (stream) lost(); });
  document.addEventListener("visibilitychange", back);
  setInterval(() => { if (stream && stream.readyState === 1 && Date.now() - heard > SILENCE) lost(); }, 5000);

  // After the first paint: to scroll is to lay out the whole log.
  requestAnimationFrame(() => setTimeout(() => {
    const log = document.querySelector(".log[data-append]");
    if (log) log.scrollTop = log.scrollHeight;
    open();
  }));
})();
