"use strict";

// Without its search, which wants to make a worker out of text.
Redoc.init("/openapi.json", { disableSearch: true, hideDownloadButton: false }, document.getElementById("reference"));
