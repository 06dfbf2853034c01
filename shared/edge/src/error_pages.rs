//! `GET /errors/{code}`: where the `type` of a problem leads. The pages are `docs/errors`, compiled in.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use domain::Code;
use http::HeaderMap;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY, X_CONTENT_TYPE_OPTIONS};

use crate::extract::Path;
use crate::problem::Problem;

macro_rules! pages {
    ($($name:literal)*) => {
        /// The pages by name: every code, and the names under which shipped clients know some of them.
        const PAGES: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../../docs/errors/", $name, ".md"))),)*];
    };
}

pages! {
    "backend_busy"
    "backfill_lookback_exceeded"
    "batch_too_large"
    "clock_not_set"
    "conversation_not_found"
    "digest_mismatch"
    "duplicate_filename"
    "empty_batch"
    "empty_file"
    "fair_use_restricted"
    "file_too_large"
    "forbidden"
    "headers_too_large"
    "internal"
    "internal_error"
    "invalid_audio"
    "invalid_cursor"
    "invalid_filename"
    "invalid_json"
    "invalid_parameter"
    "invalid_range"
    "job_failed"
    "job_finished"
    "job_not_found"
    "lease_held"
    "malformed_multipart"
    "method_not_allowed"
    "not_found"
    "not_retryable"
    "not_your_job"
    "owner_mismatch"
    "partly_decoded"
    "rate_limited"
    "recording_in_future"
    "recording_too_old"
    "request_timeout"
    "request_too_large"
    "shutting_down"
    "staged_audio_missing"
    "storage_unavailable"
    "still_processing"
    "store_unavailable"
    "sync_invalid_audio"
    "too_many_files"
    "transcription_failed"
    "transcription_refused"
    "unauthenticated"
    "unsupported_media_type"
    "upload_expired"
    "upload_incomplete"
    "upload_not_found"
    "uri_too_long"
    "waited_too_long"
    "worker_lost"
}

const LIST: &str = include_str!("../../../docs/errors/README.md");

/// The pages change only with a new version of the program.
const CACHE_ONE_HOUR: &str = "public, max-age=3600";
/// The pages contain nothing that would have to be run, loaded or framed.
const CONTENT_POLICY: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'";

crate::problems!(ListProblems: ;);
crate::problems!(PageProblems: ; NotFound);

/// The codes of all errors
#[utoipa::path(
    get, path = "/errors", operation_id = "list_errors", tag = "operations", security(()),
    responses((status = 200, description = "Markdown, or HTML for browsers.", body = String, content_type = "text/markdown"), ListProblems)
)]
async fn list(headers: HeaderMap) -> Response {
    answer("Errors", LIST, &headers)
}

/// What an error means, and what to do
#[utoipa::path(
    get, path = "/errors/{code}", operation_id = "get_error", tag = "operations", security(()),
    params(("code" = String, Path, description = "The `code` of a problem, of a file or of a job.")),
    responses((status = 200, description = "Markdown, or HTML for browsers.", body = String, content_type = "text/markdown"), PageProblems)
)]
async fn page(Path(code): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let found = PAGES.iter().find(|(name, _)| *name == code);
    let (name, text) = found.ok_or_else(|| Problem::new(Code::NotFound, "There is no such error code."))?;
    Ok(answer(name, text, &headers))
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(list, page))]
struct Document;

/// The routes in the OpenAPI document.
pub fn document() -> utoipa::openapi::OpenApi {
    <Document as utoipa::OpenApi>::openapi()
}

/// These routes need no token: anybody who met an error may read what it means.
pub fn routes() -> Router {
    Router::new().route("/errors", get(list)).route("/errors/{code}", get(page))
}

/// Answers in Markdown, or, for a person who follows the link in a browser, with the same text as an HTML page.
fn answer(title: &str, text: &'static str, headers: &HeaderMap) -> Response {
    let (kind, body) = if wants_html(headers) {
        ("text/html; charset=utf-8", html(title, text))
    } else {
        ("text/markdown; charset=utf-8", with_served_links(text))
    };
    let fields = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, CACHE_ONE_HOUR),
        (VARY, "accept"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, CONTENT_POLICY),
    ];
    (fields, body).into_response()
}

/// The pages link to each other by the names of their files. Here they are served under `/errors`.
fn with_served_links(text: &str) -> String {
    text.replace(".md)", ")").replace("](", "](/errors/")
}

/// Browsers name HTML first; clients that accept anything get Markdown.
fn wants_html(headers: &HeaderMap) -> bool {
    let accepted = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    let first = accepted.split([',', ';']).next().unwrap_or("");
    first.trim().eq_ignore_ascii_case("text/html")
}

fn html(title: &str, text: &str) -> String {
    let (title, text) = (escaped(title), escaped(&with_served_links(text)));
    format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\n<pre>{text}</pre>\n</html>\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Site;

    #[tokio::test]
    async fn every_code_has_a_page_at_the_type_of_its_problem() {
        let site = Site::start(routes()).await;
        for code in Code::ALL {
            let answer = site.get(&format!("{}{code}", crate::problem::ERROR_PAGES)).await;
            assert_eq!(answer.status(), 200, "{code} has no page");
            assert_eq!(answer.headers()["content-type"], "text/markdown; charset=utf-8");
            assert_eq!(answer.headers()["cache-control"], CACHE_ONE_HOUR);
            assert!(answer.text().await.unwrap().starts_with(&format!("# {code}\n")), "{code}");
        }
        assert!(site.get("/errors").await.text().await.unwrap().starts_with("# Errors\n"));
    }

    #[tokio::test]
    async fn links_of_the_pages_lead_to_pages() {
        let site = Site::start(routes()).await;
        let names = PAGES.iter().map(|(name, _)| format!("/errors/{name}")).chain(["/errors".to_owned()]);
        let mut links = std::collections::BTreeSet::new();
        for page in names {
            let text = site.get(&page).await.text().await.unwrap();
            let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
            links.extend(targets.map(|(target, _)| target.to_owned()));
        }
        assert!(links.len() >= Code::ALL.len(), "{links:?}");
        for link in links {
            assert_eq!(site.get(&link).await.status(), 200, "{link}");
        }
    }

    #[tokio::test]
    async fn unknown_error_page_is_404() {
        let site = Site::start(routes()).await;
        for name in ["README", "nothing", "..%2FREADME", "invalid_audio.md", "%00", "%FF", "Invalid_Audio"] {
            let answer = site.get(&format!("/errors/{name}")).await;
            assert_eq!(answer.status(), 404, "{name}");
            assert!(answer.text().await.unwrap().contains("\"code\":\"not_found\""), "{name}");
        }
    }

    #[tokio::test]
    async fn browser_gets_html_that_loads_and_runs_nothing() {
        let site = Site::start(routes()).await;
        let accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        let asked = site.client.get(site.url("/errors/upload_incomplete")).header("accept", accept);
        let answer = asked.send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
        assert_eq!(answer.headers()["content-security-policy"], CONTENT_POLICY);
        let text = answer.text().await.unwrap();
        let (_, shown) = text.split_once("<pre>").unwrap();
        let (shown, _) = shown.split_once("</pre>").unwrap();
        assert!(shown.contains("/&lt;total&gt;") && !shown.contains(['<', '>', '"']), "{shown}");
    }
}
