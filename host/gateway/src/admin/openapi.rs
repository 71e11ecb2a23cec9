//! `/api/openapi.json`: the description of all pages. `openapi.json` beside this file is the source; tests check the
//! answers of all pages against it.

use super::guard::OPEN_PATHS;
use serde_json::{Map, Value, json};

pub(super) const PATH: &str = "/api/openapi.json";

const DOCUMENT: &str = include_str!("openapi.json");

/// The description, with the access control that all pages but [`OPEN_PATHS`] share.
pub(super) fn document(with_token: bool) -> serde_json::Result<Value> {
    let mut document: Value = serde_json::from_str(DOCUMENT)?;
    document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    if with_token {
        document["components"]["securitySchemes"] = json!({"token": {"type": "http", "scheme": "bearer"}});
    }
    let pages = document["paths"].as_object_mut().into_iter().flatten();
    for (_, page) in pages.filter(|(path, _)| !OPEN_PATHS.contains(&path.as_str())) {
        let operations =
            page.as_object_mut().into_iter().flatten().filter_map(|(_, operation)| operation.as_object_mut());
        operations.for_each(|operation| guard(operation, with_token));
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
    let schema = json!({"$ref": "#/components/schemas/Problem"});
    let response = json!({"description": description, "content": {super::problem::PROBLEM: {"schema": schema}}});
    if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
        responses.insert(status.into(), response);
    }
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
                        assert_eq!(guarded, !OPEN_PATHS.contains(&path.as_str()), "{method} {path}");
                    }
                }
            }
        }
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
