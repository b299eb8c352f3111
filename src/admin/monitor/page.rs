//! What a browser gets at the root of the monitoring port.
//!
//! Absent: anything from elsewhere: the page is whole in itself.

/// The page.
pub(super) const HTML: &str = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width\"><title>Fanfare</title></head><body>\
<h1>Fanfare</h1><ul>\
<li><a href=\"./varz\">General</a></li>\
<li><a href=\"./connz\">Connections</a></li>\
<li><a href=\"./subsz\">Subscriptions</a></li>\
<li><a href=\"./accountz\">Accounts</a></li>\
<li><a href=\"./accstatz\">Account statistics</a></li>\
<li><a href=\"./statusz\">Status</a></li>\
<li><a href=\"./metrics\">Metrics</a></li>\
<li><a href=\"./healthz\">Health</a></li>\
</ul></body></html>\n";
