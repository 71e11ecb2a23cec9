//! `/api/openapi.json`: the description of all pages. `openapi.json` beside this file is the source; tests check the
//! answers of all pages against it.

use super::guard::is_open;
use axum::http::Method;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

pub(super) const PATH: &str = "/api/openapi.json";

/// The start of the paths whose parameters are checked. Probes and scrapers may add parameters of their own to the other
/// pages.
pub(super) const CHECKED: &str = "/api/";

const DOCUMENT: &str = include_str!("openapi.json");

/// The description, with the access control that all pages share that are not open to all ([`is_open`]).
pub(super) fn document(with_token: bool) -> serde_json::Result<Value> {
    let mut document: Value = serde_json::from_str(DOCUMENT)?;
    document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    if with_token {
        document["components"]["securitySchemes"] = json!({"token": {"type": "http", "scheme": "bearer"}});
    }
    let pages = document["paths"].as_object_mut().into_iter().flatten();
    for (path, page) in pages.filter(|(path, _)| !is_open(path)) {
        let operations = page.as_object_mut().into_iter().flatten();
        let operations = operations.filter_map(|(method, operation)| Some((method, operation.as_object_mut()?)));
        operations.for_each(|(method, operation)| {
            guard(operation, with_token);
            if with_token && method != "get" {
                add_problem(operation, "403", "The viewer token may look, not change");
            }
            if path.starts_with(CHECKED) {
                add_problem(operation, "400", "A query parameter is unknown or given twice");
            }
        });
    }
    Ok(document)
}

fn guard(operation: &mut Map<String, Value>, with_token: bool) {
    let (status, description) = if with_token {
        operation.insert("security".into(), json!([{"token": []}]));
        ("401", "The token is missing or wrong")
    } else {
        ("403", "The Host header names another machine, or a page of another origin sent the request")
    };
    add_problem(operation, status, description);
}

/// Adds a response to the operation, unless it has one with this status.
fn add_problem(operation: &mut Map<String, Value>, status: &str, description: &str) {
    let schema = json!({"$ref": "#/components/schemas/Problem"});
    let response = json!({"description": description, "content": {super::problem::PROBLEM: {"schema": schema}}});
    if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
        responses.entry(status).or_insert(response);
    }
}

/// The names of the query parameters of one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum QueryParameters {
    Known(Vec<String>),
    /// The page has no such method.
    NoSuchMethod,
    NoSuchPage,
}

static SOURCE: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(DOCUMENT).unwrap_or_default());

/// The query parameters of a page: those of all its methods, and those of this one. `path`: as in the description, with
/// `{id}` for example.
pub(super) fn query_parameters(path: &str, method: &Method) -> QueryParameters {
    let Some(page) = SOURCE["paths"].get(path) else { return QueryParameters::NoSuchPage };
    // axum answers HEAD with the handler of GET.
    let method = if method == Method::HEAD { "get".to_owned() } else { method.as_str().to_ascii_lowercase() };
    let Some(operation) = page.get(method) else { return QueryParameters::NoSuchMethod };
    let declared = [page, operation].into_iter().filter_map(|it| it["parameters"].as_array()).flatten();
    let names = declared.filter(|parameter| parameter["in"] == "query").filter_map(|it| it["name"].as_str());
    QueryParameters::Known(names.map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_guarded_page_describes_its_refusal() {
        for (with_token, status) in [(true, "401"), (false, "403")] {
            let document = document(with_token).expect("JSON");
            for (path, page) in document["paths"].as_object().expect("paths") {
                for (method, operation) in page.as_object().expect("operations") {
                    if method != "parameters" {
                        let guarded = operation["responses"].get(status).is_some();
                        assert_eq!(guarded, !is_open(path), "{method} {path}");
                    }
                }
            }
        }
    }

    #[test]
    fn query_parameters_are_those_of_the_page_and_of_the_method() {
        let of = |path, method| query_parameters(path, &method);
        let known = |names: &[&str]| QueryParameters::Known(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(of("/api/v1/schemas/{version}/{action}", Method::GET), known(&["type"]));
        assert_eq!(of("/api/v1/schemas/{version}/{action}", Method::HEAD), known(&["type"]));
        assert_eq!(
            of("/api/v1/charge-points/{id}", Method::GET),
            known(&[]),
            "parameters of the path are not among them"
        );
        assert_eq!(of("/api/v1/charge-points", Method::PUT), QueryParameters::NoSuchMethod);
        assert_eq!(of("/api/v1/else", Method::GET), QueryParameters::NoSuchPage);
    }

    #[test]
    fn every_parameter_is_written_out_with_name_and_place() {
        let mut count = 0;
        for (path, page) in SOURCE["paths"].as_object().expect("paths") {
            let operations = page.as_object().expect("operations").values();
            for parameter in operations.chain([page]).filter_map(|it| it.get("parameters")?.as_array()).flatten() {
                assert!(parameter["name"].is_string() && parameter["in"].is_string(), "{path}: {parameter}");
                count += 1;
            }
        }
        assert!(count > 3, "{count}");
    }

    #[test]
    fn every_referenced_schema_exists() {
        let document = document(true).expect("JSON");
        let mut references = 0;
        for reference in DOCUMENT.split("#/components/schemas/").skip(1) {
            let name = reference.split('"').next().expect("a name");
            assert!(document["components"]["schemas"][name].is_object(), "{name}");
            references += 1;
        }
        assert!(references > 20, "{references}");
    }
}
