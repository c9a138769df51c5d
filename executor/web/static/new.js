// Keeps the lines for a terminal equal to the form while it is being filled in. Without this, Preview does it.
"use strict";
const form = document.querySelector("[data-new]");
const quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`);

function order() {
  const data = new FormData(form);
  const text = (name) => (data.get(name) || "").toString().trim();
  const found = { architect_intent: text("intent") || "Build …" };
  const number = (name) => (text(name) === "" || Number.isNaN(Number(text(name))) ? text(name) : Number(text(name)));
  if (text("droplet_id")) found.droplet_id = number("droplet_id");
  if (text("droplet_name")) found.droplet_name = text("droplet_name");
  if (text("mode")) found.approval_mode = text("mode");
  const channels = [...data.keys()].filter((name) => name.startsWith("channel.")).map((name) => name.slice(8));
  if (channels.length) found.notify_channels = channels;
  if (text("budget_usd")) found.budget_usd = number("budget_usd");
  if (text("target")) found.target = text("target");
  if (data.get("auto_approve")) found.auto_approve = true;
  return found;
}

function command(found) {
  const options = { droplet_id: "--droplet-id", droplet_name: "--name", approval_mode: "--mode", budget_usd: "--budget", target: "--target" };
  const words = ["fpai", "build", quoted(found.architect_intent)];
  for (const [name, option] of Object.entries(options)) if (name in found) words.push(option, quoted(String(found[name])));
  for (const channel of found.notify_channels || []) words.push("--notify", quoted(channel));
  if (found.auto_approve) words.push("--auto-approve");
  return words.join(" ");
}

function show() {
  const found = order();
  const curl = `curl -X POST ${form.dataset.url} \\\n  -H 'Content-Type: application/json' \\\n  -d ${quoted(JSON.stringify(found))}`;
  document.querySelector("[data-line=command]").textContent = command(found);
  document.querySelector("[data-line=curl]").textContent = curl;
}

form.addEventListener("input", show);
show();
