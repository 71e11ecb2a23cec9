//! Programs that are refused.

use super::configure;

fn refused(program: &str) -> String {
    configure(program).err().unwrap_or_else(|| panic!("{program} was accepted"))
}

#[test]
fn error_shows_line_column_caret_and_what_was_expected() {
    let program = "def help: 1;\ndef uplink:\n  if .action == \"X\" then .;\n";
    let expected = "program: line 3, column 27: expected `elif`, `else` or `end`, but found `;`
  3 |   if .action == \"X\" then .;
                                ^";
    assert_eq!(refused(program), expected);
}

#[test]
fn error_at_the_end_is_shown_after_the_last_character() {
    let expected = "program: line 1, column 14: expected `;`, but found the end of the program
  1 | def uplink: .
                   ^";
    assert_eq!(refused("def uplink: .\n\n"), expected);
}

#[test]
fn errors_say_what_is_wrong() {
    let cases = [
        ("def uplink: (.a;", "expected `)` for the `(` of line 1, column 13, but found the end of the program"),
        ("def uplink: \"a;", "expected `\"` for the `\"` of line 1, column 13, but found the end of the program"),
        ("def uplink: .a & .b;", "`&` is no part of jq"),
        ("def uplink: foo;", "there is no filter `foo` without arguments"),
        ("def uplink: state;", "there is no filter `state` without arguments; `state` takes 1"),
        ("def uplink: $x;", "there is no variable `$x`"),
        (".", "expected a definition, such as `def uplink: .;`, but found `.`"),
        ("def uplink: .; .", "expected a definition, such as `def uplink: .;`, but found `.`"),
        ("include \"a\"; def uplink: .;", "`include` does not exist here: a program is one text, without modules"),
        ("import \"a\" as a; def uplink: .;", "`import` does not exist here: a program is one text, without modules"),
        (
            "def uplink: input;",
            "`input` does not exist here: a hook is called with one message at a time, which is `.`",
        ),
        ("def uplink: env.X;", "`env` does not exist here: a program does not see the environment"),
        ("def uplink: $ENV.X;", "`$ENV` does not exist here: a program does not see the environment"),
        ("def uplink: debug;", "`debug` does not exist here: write to the log with `log(\"debug\")`"),
        ("def uplink: halt;", "`halt` does not exist here: end with `error(\"why\")`"),
        ("def uplink(f): f;", "a hook takes no arguments"),
        ("def uplink: a | b;", "there is no filter `a` without arguments (and 1 error more)"),
        (
            "# nothing \\",
            "it defines no hook, such as `def uplink: .;`. A hook is a filter with one of these names: uplink, downlink,",
        ),
        ("def subscriptions: \"a\"; def from_mqtt: .;", "is a mapping and needs `to_mqtt` too"),
        ("def to_mqtt: .; def from_mqtt: .;", "it defines `from_mqtt`, which needs `subscriptions` too"),
    ];
    for (program, expected) in cases {
        let error = refused(program);
        assert!(error.contains(expected), "{program}\n{error}\n{expected}");
    }
}

#[test]
fn long_line_is_shown_around_the_place() {
    let program = format!("def uplink: {} foo;", ". | ".repeat(100));
    let error = refused(&program);
    let lines: Vec<_> = error.lines().collect();
    let caret = lines[2].find('^').expect("a caret");
    assert_eq!(&lines[1][caret..caret + 3], "foo", "{error}");
    assert!(lines[1].len() < 120);
}

#[test]
fn unknown_key_is_refused() {
    let error = super::Jq::configure(r#"{"program":"def uplink: .;","limit":1}"#).err().expect("an error");
    assert!(error.contains("unknown field `limit`, expected `program`"), "{error}");
    let error = super::Jq::configure("{}").err().expect("an error");
    assert!(error.contains("missing field `program`"), "{error}");
}

use ocpp_transform::Transform;

#[test]
fn comment_at_the_end_may_have_no_line_break() {
    for program in ["def uplink: .; # end", "def uplink: .; # end \\", "def uplink: .; # end \\\n"] {
        assert!(configure(program).is_ok(), "{program}");
    }
}
