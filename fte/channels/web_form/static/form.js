// Everything here is an extra: the pages work without it.
(function () {
  "use strict";

  var POLL = 2500; // milliseconds between two looks at a ticket
  var POLL_SLOW = 10000; // after a while, when nothing happens, or when the server is away
  var POLL_PATIENCE = 120000; // how long nothing must happen for that

  function words(count, limit) {
    if (count > limit) return (count - limit).toLocaleString("en") + " characters too many";
    return count.toLocaleString("en") + " of " + limit.toLocaleString("en") + " characters";
  }

  function startCounter(box) {
    var limit = Number(box.dataset.limit);
    var shown = document.getElementById("message-count");
    var spoken = document.getElementById("message-spoken");
    var timer = 0;
    function show() {
      // Counted as the server counts: code points, outer blanks left out.
      var count = Array.from(box.value.trim()).length;
      shown.textContent = words(count, limit);
      shown.classList.toggle("over", count > limit);
      clearTimeout(timer);
      timer = setTimeout(function () {
        spoken.textContent = count > limit * 0.9 ? words(count, limit) : "";
      }, 1000);
    }
    shown.hidden = false;
    box.addEventListener("input", show);
    show();
  }

  function megabytes(bytes) {
    return (bytes / 1048576).toLocaleString("en", { maximumFractionDigits: 1 }) + " MB";
  }

  function filesProblem(files, limits) {
    var sum = files.reduce(function (all, file) { return all + file.size; }, 0);
    var large = files.find(function (file) { return file.size > Number(limits.each); });
    if (files.length > Number(limits.most)) return "These are " + files.length + " files; at most " + limits.most + " can be sent.";
    if (large) return large.name + " has " + megabytes(large.size) + "; " + megabytes(limits.each) + " is the most.";
    if (sum > Number(limits.total)) return "Together they have " + megabytes(sum) + "; " + megabytes(limits.total) + " is the most.";
    return "";
  }

  function checkFiles(field) {
    // Told before they are sent: of what is far too large the server reads nothing, and browsers then say only that.
    var shown = document.getElementById("attachments-problem");
    field.addEventListener("change", function () {
      shown.textContent = filesProblem(Array.from(field.files), field.dataset);
      field.setAttribute("aria-invalid", String(shown.textContent !== ""));
    });
    field.form.addEventListener("submit", function (event) {
      if (!shown.textContent) return;
      event.preventDefault();
      field.focus();
    });
  }

  function localTimes(root) {
    root.querySelectorAll("time").forEach(function (time) {
      var moment = new Date(time.dateTime);
      if (!isNaN(moment)) time.textContent = moment.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
    });
  }

  function showNews(text, thread) {
    var page = new DOMParser().parseFromString(text, "text/html");
    var state = document.getElementById("state");
    var newState = page.getElementById("state");
    var newThread = page.getElementById("thread");
    if (!newState || !newThread) return;
    newThread.querySelectorAll("li").forEach(function (item) {
      if (document.getElementById(item.id)) return;
      var added = document.importNode(item, true);
      localTimes(added);
      thread.append(added);
    });
    var shown = document.getElementById("state-words");
    var newWords = document.importNode(page.getElementById("state-words"), true);
    state.dataset.status = newState.dataset.status;
    if (shown.textContent !== newWords.textContent) {
      shown.replaceChildren.apply(shown, Array.from(newWords.childNodes));
    }
    thread.dataset.version = newThread.dataset.version;
  }

  function follow(thread) {
    var changed = Date.now();
    var connection = document.getElementById("connection");
    var address = location.pathname.replace(/\/messages$/, "");

    function again(lost) {
      connection.textContent = lost ? "The connection is lost; trying again." : "";
      var slow = lost || Date.now() - changed > POLL_PATIENCE;
      setTimeout(look, slow ? POLL_SLOW : POLL);
    }

    function look() {
      if (document.hidden) {
        document.addEventListener("visibilitychange", look, { once: true });
        return;
      }
      var patience = new AbortController();
      var timer = setTimeout(function () { patience.abort(); }, POLL_SLOW);
      fetch(address, {
        headers: { Accept: "text/html", "If-None-Match": thread.dataset.version },
        credentials: "omit", cache: "no-store", signal: patience.signal,
      }).then(function (answer) {
        if (answer.status === 304) return again(false);
        if (!answer.ok) return again(true);
        return answer.text().then(function (text) {
          changed = Date.now();
          showNews(text, thread);
          again(false);
        });
      }).catch(function () { again(true); }).finally(function () { clearTimeout(timer); });
    }
    setTimeout(look, POLL);
  }

  function tellHeight() {
    if (window.parent === window || !window.ResizeObserver) return;
    // Only a number: whoever embeds the page may know how tall it is.
    new ResizeObserver(function () {
      window.parent.postMessage({ fteHeight: Math.ceil(document.body.getBoundingClientRect().height) }, "*");
    }).observe(document.body);
  }

  var problems = document.getElementById("problems");
  if (problems) problems.focus();
  var box = document.getElementById("field-message");
  if (box) startCounter(box);
  var attached = document.getElementById("field-attachments");
  if (attached) checkFiles(attached);
  localTimes(document);
  var thread = document.getElementById("thread");
  if (thread) follow(thread);
  tellHeight();
})();
