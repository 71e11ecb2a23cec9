//! The page and the fixtures show the same programs, and all of them compile. `ocpp-gateway transform test` runs them.

use super::configure;
use std::fs;
use std::path::Path;

#[test]
fn programs_of_the_fixtures_compile_and_are_on_the_page() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(directory.join("README.md")).expect("a page");
    let mut count = 0;
    for entry in fs::read_dir(directory.join("fixtures")).expect("fixtures") {
        let path = entry.expect("a fixture").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let fixture: toml::Table = fs::read_to_string(&path).expect("a fixture").parse().expect("TOML");
        let program = fixture["config"]["program"].as_str().expect("a program");
        if let Err(error) = configure(program) {
            panic!("{name}: {error}");
        }
        assert!(page.contains(&format!("```jq\n{program}```")), "the page does not show the program of {name}");
        assert!(page.contains(&format!("fixtures/{name}")), "the page does not name {name}");
        count += 1;
    }
    assert!(count >= 20);
}
