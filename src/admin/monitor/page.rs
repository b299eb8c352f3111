//! What a browser gets at the root of the monitoring port: the status page.
//!
//! Absent: anything from elsewhere: the page is whole in itself, and its headers forbid a browser
//! to load or run anything else.

use std::sync::LazyLock;

use data_encoding::BASE64;
use sha2::{Digest, Sha256};

use crate::io::http::Response;

/// The page as it answers at this path.
pub(super) fn at(path: &str) -> Response {
    Response {
        status: 200,
        content_type: "text/html; charset=utf-8",
        body: html(path).into_bytes(),
        headers: &HEADERS,
    }
}

/// Links are relative to the page, so that it may be brought elsewhere by a proxy. Where the path
/// has no slash at its end, its last name would be lost to them.
fn html(path: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~');
    match path.rsplit('/').next() {
        Some(last) if !last.is_empty() && last.chars().all(is_plain) => {
            HTML.replace(LINK, &format!("{LINK}{last}/"))
        }
        _ => HTML.to_owned(),
    }
}

/// Names the page's own script and style by their digests; nothing else is one.
static HEADERS: LazyLock<String> = LazyLock::new(|| {
    let digest = |tag: &str| {
        let digest = Sha256::digest(inside(tag).as_bytes());
        format!("'sha256-{}'", BASE64.encode(digest.as_slice()))
    };
    format!(
        "Content-Security-Policy: default-src 'none'; connect-src 'self'; img-src data:; \
         script-src {}; style-src {}; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'self'\r\nReferrer-Policy: no-referrer\r\n\
         X-Content-Type-Options: nosniff\r\nCache-Control: no-cache\r\n",
        digest("script"),
        digest("style"),
    )
});

/// The text of the page's one element of this name.
fn inside(tag: &str) -> &'static str {
    let begin = format!("<{tag}>");
    let rest = HTML.split_once(&begin).map_or("", |(_, rest)| rest);
    rest.split_once(&format!("</{tag}>")).map_or("", |(text, _)| text)
}

const HTML: &str = include_str!("page.html");
/// How each link to an endpoint begins.
const LINK: &str = "href=\"./";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_the_endpoints_wherever_the_page_is() {
        for (path, link) in [
            ("/", "href=\"./varz\""),
            ("/base/", "href=\"./varz\""),
            ("/base", "href=\"./base/varz\""),
            ("/a/b", "href=\"./b/varz\""),
            ("/\"><script>", "href=\"./varz\""),
        ] {
            assert!(html(path).contains(link), "{path}");
        }
        assert_eq!(HTML.matches(LINK).count(), 12);
    }

    #[test]
    fn nothing_comes_from_elsewhere_and_no_text_becomes_markup() {
        let addresses = HTML.replace("http://www.w3.org/2000/svg", "");
        for foreign in ["http://", "https://", "//cdn", "@import", "url("] {
            assert!(!addresses.contains(foreign), "{foreign}");
        }
        for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
            assert!(!HTML.contains(way), "{way}");
        }
        assert!(!HTML.contains(" style=\"") && !HTML.contains(" onclick"));
    }

    #[test]
    fn the_headers_name_what_may_run() {
        assert!(inside("script").len() > 1000 && inside("style").len() > 1000);
        assert_eq!(HEADERS.matches("sha256-").count(), 2);
        assert!(HEADERS.ends_with("\r\n") && HEADERS.lines().all(|line| line.contains(": ")));
    }
}
