// The checkout's page: looks if anything has become of a bank transfer, and in the frame of a merchant's page
// tells that page of the payment and of the wish to close. Only the page that frames this one
// gets the messages, at its own origin.
"use strict";

(() => {
  // A page that says why a request was refused has none.
  const facts = document.querySelector("[data-checkout]");
  if (facts && "waiting" in facts.dataset) {
    const shown = facts.textContent;
    const timer = setInterval(async () => {
      if (document.hidden) return;
      let reply;
      let text;
      try {
        reply = await fetch(window.location.href);
        text = await reply.text();
      } catch {
        return; // The service does not answer now, but may answer the next look.
      }
      if (reply.status === 403) {
        clearInterval(timer);
        for (const notice of document.querySelectorAll("[data-unwatched]")) notice.hidden = false;
      }
      if (!reply.ok) return;
      const page = new DOMParser().parseFromString(text, "text/html");
      if (page.querySelector("[data-checkout]")?.textContent !== shown) window.location.reload();
    }, 10000);
  }
  if (window.parent === window) return;
  // The browser's own word for the framing page, where it has one.
  const parent = window.location.ancestorOrigins?.[0] ?? facts?.dataset.parent;
  const shown = document.querySelector("[data-framed-by]");
  if (shown && parent) shown.textContent = parent;
  if (!parent || parent === "null") return;
  const tell = (type, more) => window.parent.postMessage({ escrowCheckout: type, ...more }, parent);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") tell("close");
  });
  for (const button of document.querySelectorAll("button[data-close]")) {
    button.hidden = false;
    button.addEventListener("click", () => tell("close"));
  }
  const { payment, reference, redirect } = facts?.dataset ?? {};
  if (payment) tell("paid", { paymentId: payment, reference, redirectUrl: redirect });
})();
