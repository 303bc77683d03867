//! The page and its parts, inside of the program.

use axum::Router;
use axum::http::header;
use axum::routing::get;

struct Asset {
    path: &'static str,
    kind: &'static str,
    body: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! asset {
    ($path:literal, $kind:expr, $file:literal) => {
        Asset {
            path: $path,
            kind: $kind,
            body: include_str!(concat!("../../web/", $file)),
        }
    };
}

const ASSETS: [Asset; 10] = [
    asset!("/", HTML, "index.html"),
    asset!("/style.css", CSS, "style.css"),
    asset!("/favicon.svg", SVG, "favicon.svg"),
    asset!("/app.js", SCRIPT, "app.js"),
    asset!("/dom.js", SCRIPT, "dom.js"),
    asset!("/words.js", SCRIPT, "words.js"),
    asset!("/health.js", SCRIPT, "health.js"),
    asset!("/groups.js", SCRIPT, "groups.js"),
    asset!("/disks.js", SCRIPT, "disks.js"),
    asset!("/processes.js", SCRIPT, "processes.js"),
];

/// One route per file.
pub(super) fn routes() -> Router {
    ASSETS.iter().fold(Router::new(), |router, asset| {
        let answer = ([(header::CONTENT_TYPE, asset.kind)], asset.body);
        router.route(asset.path, get(async move || answer))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_nothing_from_elsewhere() {
        for asset in &ASSETS {
            let without_namespace = asset.body.replace("http://www.w3.org/2000/svg", "");
            assert!(!without_namespace.contains("://"), "{}", asset.path);
            assert!(
                !asset.body.contains("innerHTML"),
                "{}: text goes in as text",
                asset.path
            );
        }
    }

    #[test]
    fn every_import_is_served() {
        for asset in &ASSETS {
            for import in asset.body.split("from \"./").skip(1) {
                let file = format!("/{}", import.split('"').next().unwrap());
                assert!(
                    ASSETS.iter().any(|a| a.path == file),
                    "{file} in {}",
                    asset.path
                );
            }
        }
    }
}
