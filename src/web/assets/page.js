// What pages do beyond their HTML. Every page is readable and usable without it.
"use strict";

// Shows instants in the reader's time zone. The exact instant stays in the title.
function localizeTimes(root) {
  for (const element of root.querySelectorAll("time[datetime][data-local]")) {
    const instant = new Date(element.dateTime);
    if (Number.isNaN(instant.getTime())) continue;
    element.title = element.dateTime;
    const year = instant.getFullYear() === new Date().getFullYear() ? undefined : "numeric";
    element.textContent = instant.toLocaleString(undefined, {
      year, month: "short", day: "numeric", hour: "numeric", minute: "2-digit",
    });
    element.removeAttribute("data-local");
  }
}

// Copies the text of the element that a button names.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const text = document.getElementById(button.dataset.copy)?.textContent ?? "";
  await navigator.clipboard.writeText(text);
  const label = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = label; }, 1500);
});

// Sends a form once, however often its button is pressed.
document.addEventListener("submit", (event) => {
  for (const button of event.target.querySelectorAll("button")) {
    setTimeout(() => { button.disabled = true; });
  }
});

// A page that the browser brings back from its memory can be sent again.
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const button of document.querySelectorAll("button:disabled")) button.disabled = false;
});

// Replaces a part of the page whenever a stream tells of a change:
// <div data-live="/console/events/changes" data-fragment="/console/events/rows">
// A page behind others has no stream: a browser holds few connections to one server, and the page
// in front needs them.
for (const part of document.querySelectorAll("[data-live]")) {
  let isWaiting = false;
  let isStale = false;
  const refresh = async () => {
    if (isWaiting) {
      isStale = true;
      return;
    }
    isWaiting = true;
    isStale = false;
    try {
      const reply = await fetch(part.dataset.fragment);
      if (reply.ok) {
        part.innerHTML = await reply.text();
        localizeTimes(part);
      }
    } finally {
      isWaiting = false;
      if (isStale) refresh();
    }
  };
  let stream = null;
  const follow = () => {
    if (document.hidden) {
      stream?.close();
      stream = null;
    } else if (!stream) {
      stream = new EventSource(part.dataset.live);
      // What came before the stream was open is in no change.
      stream.addEventListener("open", refresh);
      stream.addEventListener("change", refresh);
    }
  };
  document.addEventListener("visibilitychange", follow);
  window.addEventListener("pagehide", () => { stream?.close(); stream = null; });
  window.addEventListener("pageshow", follow);
  follow();
}

localizeTimes(document);
