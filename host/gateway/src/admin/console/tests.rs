//! What the files of the console must not contain: the policy of the page would make a browser ignore it.

use super::*;
use join::Files;
use std::path::Path as FilePath;

/// Of the build script.
#[path = "../../../build/join.rs"]
mod join;

/// All files together, compressed, in bytes.
const MAX_SIZE: usize = 400 << 10;

fn headers(name: HeaderName, value: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
}

#[test]
fn gzip_is_sent_to_those_who_accept_it() {
    for (value, accepted) in [
        ("gzip", true),
        ("gzip, deflate, br, zstd", true),
        ("br;q=1.0, GZIP;q=0.5", true),
        ("gzip;q=0", false),
        ("gzip; q=0.000", false),
        ("deflate, br", false),
        ("identity", false),
        ("", false),
    ] {
        assert_eq!(accepts_gzip(&headers(header::ACCEPT_ENCODING, value)), accepted, "{value}");
    }
    assert!(!accepts_gzip(&HeaderMap::new()));
}

#[test]
fn version_is_recognised_in_a_list_of_tags() {
    for (value, known) in [
        (r#"W/"1-a""#, true),
        (r#""1-a""#, true),
        (r#""x", W/"1-a""#, true),
        ("*", true),
        (r#"W/"1-b""#, false),
        ("1-a", false),
    ] {
        assert_eq!(has_version(&headers(header::IF_NONE_MATCH, value), r#"W/"1-a""#), known, "{value}");
    }
}

#[test]
fn every_file_survives_its_compression() {
    let mut files = Files::new();
    for file in FILES {
        let source = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("console").join(file.name);
        files.insert(file.name.to_owned(), std::fs::read(&source).expect("the source"));
    }
    assert!(files.contains_key(INDEX));
    join::join(&mut files, "app.js", "/console/").expect("joined");
    for file in FILES {
        let content = file.content().unwrap_or_else(|problem| panic!("{}: {problem:?}", file.name));
        assert!(content == files[file.name], "{}", file.name);
    }
}

#[test]
fn first_view_needs_one_module_and_a_published_one() {
    let module = FILES.iter().find(|file| file.name == "app.js").expect("app.js").content().expect("content");
    let text = String::from_utf8(module).expect("text");
    let imports: Vec<_> = text.lines().filter(|line| line.starts_with("import ")).collect();
    assert_eq!(imports, [r#"import * as $published0 from "/console/vendor/htm-preact.js";"#]);
}

fn joined(modules: &[(&str, &str)]) -> Result<Files, String> {
    let mut files: Files = modules.iter().map(|(path, text)| (path.to_string(), text.as_bytes().to_vec())).collect();
    join::join(&mut files, "app.js", "/c/").map_err(|error| error.to_string())?;
    Ok(files)
}

#[test]
fn joined_module_has_the_bodies_of_those_that_it_imports_and_they_export_the_same_from_it() {
    let files = joined(&[
        (
            "app.js",
            "import View from \"./views/one.js\";\nimport {\n  a as b,\n} from \"./lib/a.js\";\nView(b, import(\"./x.js\"));\n",
        ),
        ("lib/a.js", "import { v } from \"../vendor/v.js\";\nexport const a = v;\n"),
        ("vendor/v.js", "export const v = 1;"),
        ("views/one.js", "import { a } from \"../lib/a.js\";\nexport default function One() { return a; }\n"),
        ("x.js", "export const x = 1;"),
    ]);
    let files = files.expect("joined");
    let text = |path: &str| String::from_utf8_lossy(&files[path]).into_owned();
    let app = text("app.js");
    assert!(app.starts_with("import * as $published0 from \"/c/vendor/v.js\";\n"), "{app}");
    assert!(app.contains("const { v } = $published0;\nconst a = v;\nreturn { a };"), "{app}");
    assert!(app.contains("const { a } = $module0;\nfunction One() { return a; }\nreturn { default: One };"), "{app}");
    assert!(
        app.contains("const { default: View } = $module1;\nconst { a: b, } = $module0;\nView(b, import(\"/c/x.js\"));"),
        "{app}"
    );
    assert_eq!(text("lib/a.js"), "import { $module0 } from \"/c/app.js\";\nexport const a = $module0.a;\n");
    assert_eq!(text("views/one.js"), "import { $module1 } from \"/c/app.js\";\nexport default $module1.default;\n");
    assert_eq!(text("x.js"), "export const x = 1;", "not imported by a statement");
}

#[test]
fn module_that_cannot_be_joined_is_named() {
    let circle = [("app.js", "import { a } from \"./a.js\";\n"), ("a.js", "import { b } from \"./app.js\";\n")];
    for (modules, named) in [
        (&circle[..], "app.js → a.js"),
        (&[("app.js", "import { a } from \"./none.js\";\n")], "none.js"),
        (&[("app.js", "import { a } from \"../a.js\";\n")], "../a.js"),
        (&[("app.js", "export let a = 1;\n")], "export let a"),
    ] {
        let fault = joined(modules).expect_err(named);
        assert!(fault.contains(named), "{fault}");
    }
}

#[test]
fn all_files_together_are_small() {
    let size: usize = FILES.iter().map(|file| file.gzip.len()).sum();
    assert!(size <= MAX_SIZE, "{size} bytes");
}

#[test]
fn files_contain_nothing_that_their_policy_forbids() {
    for file in FILES {
        let content = String::from_utf8(file.content().expect("content"));
        let Ok(text) = content else { continue };
        let faults = faults(file.name, &text);
        assert!(faults.is_empty(), "{}: {faults:#?}", file.name);
    }
}

#[test]
fn forbidden_parts_are_found() {
    for (name, text) in [
        ("a.html", "<script>go()</script>"),
        ("a.html", "<SCRIPT type=module>go()</SCRIPT>"),
        ("a.html", r#"<script src="https://else.example/a.js"></script>"#),
        ("a.html", r#"<script src=//else.example/a.js></script>"#),
        ("a.html", r#"<p style="color:red">"#),
        ("a.html", "<style>p { color: red }</style>"),
        ("a.html", r#"<body onload="go()">"#),
        ("a.html", "<img\nsrc='http://else.example/a.png'>"),
        ("a.svg", r#"<svg><g onclick="go()"/></svg>"#),
        ("a.css", "@import 'x.css';"),
        ("a.css", "p { background: url(https://else.example/a.png) }"),
        ("a.css", "p { background: url( '//else.example/a.png' ) }"),
        ("a.js", r#"import a from "https://else.example/a.js""#),
        ("a.js", r#"import "//else.example/a.js""#),
        ("a.js", r#"import("https://else.example/a.js")"#),
        ("a.js", "fetch(`https://else.example/a`)"),
        ("a.js", r#"new EventSource("http://else.example/")"#),
        ("a.js", r#"html`<p style="color:red">`"#),
        ("a.js", r#"html`<p class="x" onclick="go()">`"#),
        ("a.js", r#"el.innerHTML = "<img src='https://else.example/a.png'>""#),
    ] {
        assert!(!faults(name, text).is_empty(), "{name}: {text}");
    }
    for (name, text) in [
        ("a.html", r#"<script type="module" src="/console/app.js"></script>"#),
        ("a.html", r#"<a href="https://docs.example/">docs</a>"#),
        ("a.html", r#"<link rel="icon" href="data:image/svg+xml,x">"#),
        ("a.css", "p { background: url(data:image/png;base64,x) }"),
        ("a.js", r#"html`<button onclick=${go} class="x">`"#),
        ("a.js", r#"if (a <b && on == "x") style = "y" > c"#),
        ("a.js", r#"createElementNS("http://www.w3.org/2000/svg", "g")"#),
        ("a.js", r#"import { h } from "./vendor/h.js""#),
        ("a.txt", "https://else.example/"),
    ] {
        assert_eq!(faults(name, text), Vec::<String>::new(), "{name}: {text}");
    }
}

/// What of the text is forbidden in a file of this name.
fn faults(name: &str, text: &str) -> Vec<String> {
    let extension = name.rsplit('.').next().unwrap_or_default();
    let mut found = Vec::new();
    if matches!(extension, "html" | "svg" | "js" | "mjs") {
        found.extend(tags(text).into_iter().filter(|tag| is_forbidden(tag)).map(str::to_owned));
    }
    let before: &[&str] = match extension {
        "css" => &["url(", "@import"],
        "js" | "mjs" => &[
            "from \"",
            "from '",
            "import \"",
            "import '",
            "import(",
            "fetch(",
            "EventSource(",
            "WebSocket(",
            "Worker(",
            "url(",
        ],
        _ => &[],
    };
    for introduction in before {
        for (at, _) in text.match_indices(introduction) {
            let rest = text[at + introduction.len()..].trim_start().trim_start_matches(['"', '\'', '`']);
            if *introduction == "@import" || is_elsewhere(rest) {
                found.push(text[at..].chars().take(60).collect());
            }
        }
    }
    found
}

fn is_elsewhere(url: &str) -> bool {
    let url = url.trim_start().to_ascii_lowercase();
    ["//", "http:", "https:", "ws:", "wss:", "ftp:"].iter().any(|start| url.starts_with(start))
}

/// Each tag, and for a script without content only its beginning.
fn tags(text: &str) -> Vec<&str> {
    let starts =
        text.match_indices('<').filter(|(at, _)| text[at + 1..].starts_with(|first: char| first.is_ascii_alphabetic()));
    starts.map(|(at, _)| &text[at..at + text[at..].find('>').unwrap_or(text.len() - at)]).collect()
}

fn is_forbidden(tag: &str) -> bool {
    let lower = tag.to_ascii_lowercase();
    let (name, _) = lower[1..].split_once(|end: char| !end.is_ascii_alphanumeric()).unwrap_or((&lower[1..], ""));
    let loads = !matches!(name, "a" | "area");
    let attributes: Vec<(&str, &str)> = lower
        .match_indices('=')
        .map(|(at, _)| {
            (lower[..at].rsplit(|end: char| end.is_whitespace()).next().unwrap_or_default(), &lower[at + 1..])
        })
        .collect();
    let value_is_text = |value: &str| !value.starts_with('$') && !value.starts_with(['=', ' ', '>']);
    let has = |wanted: &str| attributes.iter().any(|(name, _)| *name == wanted);
    name == "style"
        || (name == "script" && !has("src"))
        || attributes.iter().any(|(name, value)| {
            let is_handler = name.len() > 2 && name.starts_with("on") && name.bytes().all(|b| b.is_ascii_alphabetic());
            let url = value.trim_start_matches(['"', '\'']);
            ((is_handler || *name == "style") && value_is_text(value))
                || (loads && matches!(*name, "src" | "href" | "srcset" | "xlink:href" | "data") && is_elsewhere(url))
        })
}
