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

// Tells the outcome of a form once: the address without it is the one that a reload asks for.
const here = new URL(location.href);
if (here.searchParams.has("done")) {
  here.searchParams.delete("done");
  history.replaceState(history.state, "", here);
}

// Copies the text of the element that a button names. A browser gives scripts a clipboard only over
// HTTPS and on its own machine. Without one the text is selected, so that its reader can copy it too.
async function isCopied(element) {
  try {
    await navigator.clipboard.writeText(element.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(element);
    return document.execCommand("copy");
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  const element = document.getElementById(button?.dataset.copy);
  if (!element) return;
  button.dataset.label ??= button.textContent;
  if (await isCopied(element)) {
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = button.dataset.label; }, 1500);
  } else {
    button.textContent = "Not copied. The text is selected: copy it with the keyboard.";
  }
});

// Shows a form that was refused again as it was filled in, when its reader goes back to it.
const REFUSED_FORM = "refused-form";
const isTyped = (field) => field.name && !["hidden", "file", "password", "submit", "button"].includes(field.type);
const typedFields = (form) => [...form.elements].filter(isTyped);

// Tells the forms of a page apart: by what they send beside what is typed. The total that a form has
// shown is no part of it, since the price may have changed.
const NOT_NAMED = ["once", "n:amount"];
function nameOf(form) {
  const fixed = [...form.elements].filter((field) => field.type === "hidden" && !NOT_NAMED.includes(field.name));
  const address = new URL(form.getAttribute("action"), location.href).searchParams;
  return JSON.stringify([fixed.map((field) => [field.name, field.value]), address.get("path"), address.get("customer")]);
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  const fields = typedFields(form);
  // A field of the form may be named "method" too, and hide that of the form.
  if (form.getAttribute("method") !== "post" || fields.length === 0) return;
  const values = fields.map((field) => [field.name, field.value, field.checked ?? false]);
  sessionStorage.setItem(REFUSED_FORM, JSON.stringify({ page: location.pathname, name: nameOf(form), values }));
});

function fillRefusedForm() {
  const kept = JSON.parse(sessionStorage.getItem(REFUSED_FORM) ?? "null");
  if (!kept) return;
  if (document.querySelector("[data-refused]")) {
    sessionStorage.setItem(REFUSED_FORM, JSON.stringify({ ...kept, isRefused: true }));
    return;
  }
  // The login leads back to the page of the form.
  if (kept.isRefused && location.pathname === "/login") return;
  sessionStorage.removeItem(REFUSED_FORM);
  if (!kept.isRefused || kept.page !== location.pathname) return;
  const form = [...document.forms].find((form) => nameOf(form) === kept.name);
  if (!form) return;
  for (const [index, field] of typedFields(form).entries()) {
    const [name, value, checked] = kept.values[index] ?? [];
    if (field.name !== name) continue;
    if (["checkbox", "radio"].includes(field.type)) field.checked = checked;
    else field.value = value;
  }
  for (let part = form.parentElement; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
  for (const part of form.querySelectorAll("details")) part.open = true;
  form.scrollIntoView({ block: "nearest" });
}

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

// Notes the element of a part of the page that has the keyboard's focus, and returns a function that
// gives the focus back after the part was replaced. A row with an id is found again where it is then.
function focusIn(part) {
  const focused = document.activeElement;
  if (!focused || focused === part || !part.contains(focused)) return () => {};
  const row = focused.closest("[id]");
  const rowId = row && part.contains(row) && row !== part ? row.id : null;
  const rootOf = () => (rowId ? document.getElementById(rowId) : part);
  const index = [...rootOf().querySelectorAll(focused.tagName)].indexOf(focused);
  return () => rootOf()?.querySelectorAll(focused.tagName)[index]?.focus({ preventScroll: true });
}

// Replaces a part of the page whenever a stream tells of a change:
// <div data-live="/console/events/changes" data-fragment="/console/events/rows">
// The page says that the list follows in an element [data-follows], until it does so no longer.
// A page behind others has no stream: a browser holds few connections to one server, and the page
// in front needs them.
for (const part of document.querySelectorAll("[data-live]")) {
  let isWaiting = false;
  let isStale = false;
  let hasEnded = false;
  let stream = null;
  // A browser that tells no route what it asks for, over HTTP, is led to the login.
  const isLoggedOut = (reply) => reply.status === 401 || reply.redirected;
  const end = (isOut) => {
    if (hasEnded) return;
    hasEnded = true;
    stream?.close();
    stream = null;
    const link = document.createElement("a");
    const place = location.pathname + location.search;
    link.href = isOut ? `/login?to=${encodeURIComponent(place)}` : place;
    link.textContent = isOut ? "Log in again." : "Load the page again.";
    document.querySelector("[data-follows]").replaceChildren("This list no longer updates. ", link);
  };
  const refresh = async () => {
    if (hasEnded) return;
    if (isWaiting) {
      isStale = true;
      return;
    }
    isWaiting = true;
    isStale = false;
    try {
      const reply = await fetch(part.dataset.fragment);
      if (isLoggedOut(reply)) {
        end(true);
      } else if (reply.ok) {
        const rows = await reply.text();
        const giveFocusBack = focusIn(part);
        part.innerHTML = rows;
        localizeTimes(part);
        giveFocusBack();
      }
    } finally {
      isWaiting = false;
      if (isStale) refresh();
    }
  };
  const follow = () => {
    if (hasEnded) return;
    if (document.hidden) {
      stream?.close();
      stream = null;
    } else if (!stream) {
      stream = new EventSource(part.dataset.live);
      // What came before the stream was open is in no change.
      stream.addEventListener("open", refresh);
      stream.addEventListener("change", refresh);
      // The browser tries again by itself, except after a refusal.
      stream.addEventListener("error", async () => {
        if (stream?.readyState !== EventSource.CLOSED) return;
        const reply = await fetch(part.dataset.fragment).catch(() => null);
        end(reply !== null && isLoggedOut(reply));
      });
    }
  };
  document.addEventListener("visibilitychange", follow);
  window.addEventListener("pagehide", () => { stream?.close(); stream = null; });
  window.addEventListener("pageshow", follow);
  follow();
}

// The current section may be out of sight on a small screen, where the sections scroll sideways.
for (const section of document.querySelectorAll(".site-nav")) {
  const current = section.querySelector("[aria-current]");
  if (current) section.scrollLeft = current.offsetLeft - section.offsetLeft - 16;
}

fillRefusedForm();
localizeTimes(document);
