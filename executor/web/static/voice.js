// The microphone: records, shows what was heard in the form, and leaves the starting to the person.
"use strict";
(() => {
  const box = document.querySelector("[data-voice]");
  const button = box.querySelector("[data-voice-button]");
  const words = button.querySelector("span");
  const says = box.querySelector("[data-voice-says]");
  const longest = 60_000;
  let recorder = null;

  function tell(text) { says.textContent = text; }

  async function send(audio) {
    tell("Listening to what you said…");
    const headers = { "Content-Type": audio.type || "audio/webm", "X-CSRF-Token": box.dataset.csrf };
    let answer;
    try {
      answer = await fetch("/executor/voice", { method: "POST", headers, body: audio });
    } catch {
      return tell("The daemon could not be reached. Say it again, or type it.");
    }
    const heard = await answer.json();
    if (!answer.ok) return tell([heard.error.message, heard.error.details.hint].filter(Boolean).join(" "));
    const intent = document.getElementById("intent");
    intent.value = heard.intent;
    intent.dispatchEvent(new Event("input", { bubbles: true }));
    const { droplet_name: name, droplet_id: number } = heard.proposal;
    tell(`Heard: “${heard.words}”. It would be droplet ${name} #${number}. Nothing has started: press Start the build.`);
  }

  function ended(parts, stream) {
    stream.getTracks().forEach((track) => track.stop());
    button.setAttribute("aria-pressed", "false");
    words.textContent = "Say it";
    send(new Blob(parts, { type: recorder.mimeType }));
  }

  async function begin() {
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    } catch {
      return tell("The microphone is not allowed here. Allow it in the browser, or type.");
    }
    const parts = [];
    recorder = new MediaRecorder(stream);
    recorder.addEventListener("dataavailable", (event) => parts.push(event.data));
    recorder.addEventListener("stop", () => ended(parts, stream));
    recorder.start();
    button.setAttribute("aria-pressed", "true");
    words.textContent = "Stop";
    tell("Speak now. It stops by itself after a minute.");
    setTimeout(() => recorder.state === "recording" && recorder.stop(), longest);
  }

  box.hidden = false;
  if (!navigator.mediaDevices || !window.MediaRecorder) {
    button.hidden = true;
    return tell("This browser can record only over https or on this machine itself.");
  }
  button.addEventListener("click", () => (recorder && recorder.state === "recording" ? recorder.stop() : begin()));
})();
