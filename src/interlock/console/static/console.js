// What every page has. Each module does one thing and looks for itself whether the page has what it is about.
import "./clock.js";
import "./live.js";
import "./table.js";
import "./keys.js";
import "./timeline.js";
import "./paste.js";
import "./offer.js";
