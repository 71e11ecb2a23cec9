//! Query parameters that a page does not have are errors: a misspelt `limit` or `allow_fewer_hooks` must not be ignored.

use super::openapi::{self, CHECKED, QueryParameters};
use super::problem::Problem;
use crate::config::nearest_name;
use axum::extract::{MatchedPath, Query, Request};
use axum::http::{Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

/// The longest name that is compared with known ones, in bytes.
const MAX_COMPARED: usize = 64;

/// Items on a page without a `limit`, and with the largest one.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;

/// The query parameter `limit` of a page.
pub(super) fn limit_of(limit: Option<usize>) -> Result<usize, Problem> {
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Problem::bad_request(format!("limit has to be between 1 and {MAX_LIMIT}")));
    }
    Ok(limit)
}

/// Refuses requests with query parameters that are not in the description of the page, or more than once in the query.
pub(super) async fn check(path: Option<MatchedPath>, request: Request, next: Next) -> Response {
    let checked = path.as_ref().map(MatchedPath::as_str).filter(|path| path.starts_with(CHECKED));
    if let Some(path) = checked
        && let Err(problem) = check_query(path, request.method(), request.uri())
    {
        return problem.into_response();
    }
    next.run(request).await
}

fn check_query(path: &str, method: &Method, uri: &Uri) -> Result<(), Problem> {
    if uri.query().is_none_or(str::is_empty) {
        return Ok(());
    }
    let known = match openapi::query_parameters(path, method) {
        QueryParameters::Known(names) => names,
        QueryParameters::NoSuchPage => Vec::new(),
        // The answer is that the page does not support the method.
        QueryParameters::NoSuchMethod => return Ok(()),
    };
    let Query(parameters) = Query::<Vec<(String, String)>>::try_from_uri(uri)?;
    let mut seen: Vec<String> = Vec::new();
    for (name, _) in parameters {
        if !known.contains(&name) {
            return Err(Problem::bad_request(unknown(&name, &known)));
        }
        if seen.contains(&name) {
            return Err(Problem::bad_request(format!("the query parameter {name:?} is given twice")));
        }
        seen.push(name);
    }
    Ok(())
}

fn unknown(name: &str, known: &[String]) -> String {
    let names = || known.iter().map(String::as_str);
    let nearest = if name.len() > MAX_COMPARED { None } else { nearest_name(name, names()) };
    let nearest = nearest.map(|nearest| format!("; did you mean {nearest}?")).unwrap_or_default();
    let all = match known {
        [] => "this page has no query parameters".to_owned(),
        _ => format!("this page has {}", names().collect::<Vec<_>>().join(", ")),
    };
    format!("unknown query parameter {name:?}{nearest}{} {all}", if nearest.is_empty() { ":" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_parameter_is_named_with_the_known_ones() {
        let known = ["limit", "after"].map(str::to_owned);
        assert_eq!(
            unknown("limt", &known),
            "unknown query parameter \"limt\"; did you mean limit? this page has limit, after"
        );
        assert_eq!(unknown("colour", &known), "unknown query parameter \"colour\": this page has limit, after");
        assert_eq!(unknown("x", &[]), "unknown query parameter \"x\": this page has no query parameters");
        assert!(unknown(&"limit".repeat(100_000), &known).contains("this page has limit"));
    }
}
