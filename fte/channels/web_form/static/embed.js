// Put <script src="https://…/support/embed.js"></script> where the form should appear.
// Optional: data-title (what the frame is called), data-target (a selector of the element to put it into).
(function () {
  "use strict";
  var script = document.currentScript;
  if (!script) return;
  var address = new URL("../support", script.src);

  var frame = document.createElement("iframe");
  frame.src = address.href;
  frame.title = script.dataset.title || "Contact support";
  frame.referrerPolicy = "no-referrer";
  frame.style.width = "100%";
  frame.style.height = "1000px";
  frame.style.border = "0";
  frame.style.colorScheme = "normal";

  function place() {
    var target = script.dataset.target && document.querySelector(script.dataset.target);
    if (target) target.append(frame);
    else if (document.head.contains(script)) document.body.append(frame);
    else script.after(frame);
  }

  window.addEventListener("message", function (event) {
    if (event.source !== frame.contentWindow || event.origin !== address.origin) return;
    var height = event.data && Number(event.data.fteHeight);
    if (height > 0 && height < 20000) frame.style.height = height + "px";
  });

  if (script.dataset.target || document.head.contains(script)) {
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", place);
    else place();
  } else place();
})();
