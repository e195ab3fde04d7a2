// Keeps the dashboard as of now.
"use strict";
