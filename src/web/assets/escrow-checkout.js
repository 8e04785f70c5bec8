// The checkout in a merchant's page. See /docs/checkout of the service that serves this file.
(function () {
  "use strict";

  var script = document.currentScript;
  var baseUrl = new URL(script && script.src ? script.src : window.location.href).origin;
  var close = null;

  function set(element, style) {
    Object.assign(element.style, style);
    return element;
  }

  function header(options) {
    var bar = set(document.createElement("div"), {
      display: "flex", alignItems: "center", gap: "12px", padding: "8px 12px",
      font: "600 16px/1.4 system-ui, sans-serif", color: "#1b1b1f", background: "#ffffff",
    });
    if (options.logoUrl) {
      var logo = set(document.createElement("img"), { height: "28px", maxWidth: "96px", objectFit: "contain" });
      logo.src = String(options.logoUrl);
      logo.alt = "";
      bar.append(logo);
    }
    var name = set(document.createElement("span"), { flex: "1", overflowWrap: "anywhere" });
    name.textContent = options.brand ? String(options.brand) : "";
    var button = set(document.createElement("button"), {
      font: "inherit", minHeight: "36px", padding: "0 12px", cursor: "pointer", color: "#1b1b1f",
      background: "#f0f0f4", border: "1px solid #6b6b76", borderRadius: "6px",
    });
    button.type = "button";
    button.textContent = "Close";
    button.addEventListener("click", function () { if (close) close(); });
    bar.append(name, button);
    return bar;
  }

  function page(options) {
    var url = new URL(baseUrl + "/checkout/" + encodeURIComponent(options.session));
    url.searchParams.set("from", window.location.origin);
    if (options.customerId) url.searchParams.set("customer", String(options.customerId));
    var frame = set(document.createElement("iframe"), { flex: "1", width: "100%", border: "0", background: "#ffffff" });
    frame.title = options.brand ? "Checkout of " + options.brand : "Checkout";
    // The service shows the buyer who frames its page.
    frame.referrerPolicy = "origin";
    frame.src = url.href;
    return frame;
  }

  function withPayment(redirectUrl, payment) {
    var url = new URL(redirectUrl);
    if (url.protocol !== "http:" && url.protocol !== "https:") return null;
    url.searchParams.set("paymentId", payment.paymentId);
    if (payment.reference) url.searchParams.set("reference", payment.reference);
    return url.href;
  }

  function EscrowCheckout(options) {
    if (!options || typeof options.session !== "string" || options.session === "") {
      throw new TypeError("EscrowCheckout needs `session`, which POST " + baseUrl + "/v1/checkout/session returns");
    }
    if (close) close();
    var isPaid = false;
    var before = document.activeElement;
    var dialog = set(document.createElement("dialog"), {
      padding: "0", border: "0", borderRadius: "10px", width: "min(560px, 100vw)", height: "min(820px, 100dvh)",
      maxWidth: "100vw", maxHeight: "100dvh", overflow: "hidden", background: "#ffffff",
    });
    dialog.setAttribute("aria-label", options.brand ? "Checkout of " + options.brand : "Checkout");
    var column = set(document.createElement("div"), { display: "flex", flexDirection: "column", height: "100%" });
    var frame = page(options);
    column.append(header(options), frame);
    dialog.append(column);

    function hear(event) {
      if (event.origin !== baseUrl || event.source !== frame.contentWindow || !event.data) return;
      if (event.data.escrowCheckout === "close") end();
      if (event.data.escrowCheckout === "paid" && !isPaid) {
        isPaid = true;
        var payment = { paymentId: event.data.paymentId, reference: event.data.reference };
        if (typeof options.callback === "function") {
          options.callback(payment);
        } else if (event.data.redirectUrl) {
          var url = withPayment(event.data.redirectUrl, payment);
          if (url) window.location.assign(url);
        }
      }
    }

    function end() {
      if (close !== end) return;
      close = null;
      window.removeEventListener("message", hear);
      dialog.remove();
      if (before && before.focus) before.focus();
      if (typeof options.onClose === "function") options.onClose();
    }

    close = end;
    window.addEventListener("message", hear);
    dialog.addEventListener("cancel", function (event) {
      event.preventDefault();
      end();
    });
    document.body.append(dialog);
    dialog.showModal();
    return { close: end };
  }

  EscrowCheckout.baseUrl = baseUrl;
  window.EscrowCheckout = EscrowCheckout;
})();
