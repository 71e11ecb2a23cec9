//! `settings.toml` is compared with the code.

use ocpp_transform_jq::program::Program;

/// The keys are commented out there, because one of them is required and the other one contradicts it.
#[test]
fn settings_file_has_every_key_with_a_program_that_compiles() {
    let keys = |line: &'static str| line.strip_prefix('#').filter(|line| !line.starts_with(' ')).unwrap_or_default();
    let text: String = include_str!("../settings.toml").lines().map(|line| format!("{}\n", keys(line))).collect();
    let settings: toml::Table = text.parse().expect("TOML");
    // The gateway reads `file`, and hands its text over as `program`.
    assert_eq!(settings.keys().collect::<Vec<_>>(), ["file", "program"]);
    let program = settings["program"].as_str().expect("a text");
    assert!(Program::compile(program).is_ok(), "{program}");
}
