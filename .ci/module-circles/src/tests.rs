//! A crate for each way in which modules can name each other.

use crate::modules::ModuleTree;
use crate::{circles, uses};
use std::path::Path;

/// The circles of a crate of these files, each as a line: the modules, in order.
fn circles(files: &[(&str, &str)]) -> Vec<String> {
    let read = |path: &Path| files.iter().find(|(name, _)| Path::new(name) == path).map(|(_, text)| (*text).to_owned());
    let tree = ModuleTree::read(Path::new("lib.rs"), &read).expect("the files are a crate");
    let found = circles::find(&uses::between(&tree));
    let line = |circle: &circles::Circle| {
        let mut labels: Vec<&str> = circle.modules.iter().map(|id| tree.label(*id)).collect();
        labels.sort_unstable();
        labels.join(" ")
    };
    found.iter().map(line).collect()
}

/// Two modules, of which `b` uses `a` as every other crate would, and `a` is this.
fn siblings(a: &str) -> Vec<String> {
    circles(&[
        ("lib.rs", "mod a; mod b; mod facade { pub use crate::b::B; }"),
        ("a.rs", &format!("pub struct A; {a}")),
        ("b.rs", "use crate::a::A; pub struct B; pub fn b(_: A) {} pub mod inner { pub fn c() {} }"),
    ])
}

#[test]
fn one_direction_is_no_circle() {
    assert!(siblings("pub fn f() -> String { let b = A; std::fmt::format(format_args!(\"{}\", b.b)) }").is_empty());
}

#[test]
fn siblings_that_name_each_other_are_a_circle_however_they_do_it() {
    for a in [
        "use crate::b::B;",
        "use super::b::{self as other, B as Other};",
        "use crate::b::*; fn f() { b(A) }",
        "use crate::b; fn f() { b::b(A) }",
        "fn f() { crate::b::b(A) }",
        "fn f() { use crate::b::B; }",
        "fn f() { println!(\"{}\", crate::b::b(A)); }",
        "fn f() -> Option<super::b::B> { None }",
        "struct S { #[serde(with = \"crate::b::B\")] s: u8 }",
        "#[derive(crate::b::B)] struct S;",
        "impl crate::b::B { fn f() {} }",
        "macro_rules! m { () => { $crate::b::B } }",
        "use crate::facade::B;",
        "mod inside { fn f() {} } fn f() { crate::facade::B; }",
    ] {
        assert_eq!(siblings(a), ["a.rs b.rs"], "{a}");
    }
}

#[test]
fn what_is_for_tests_only_does_not_count() {
    for a in [
        "#[cfg(test)] mod tests { use super::*; use crate::b::B; }",
        "#[cfg(test)] use crate::b::B;",
        "impl A { #[cfg(all(test, unix))] fn f() { crate::b::b(A) } }",
        "struct S { #[cfg(test)] s: crate::b::B }",
    ] {
        assert!(siblings(a).is_empty(), "{a}");
    }
}

#[test]
fn a_visibility_is_no_use_and_a_macro_may_be_called_anywhere() {
    assert!(siblings("pub(in crate::b) struct S;").is_empty());
    assert!(siblings("macro_rules! m { () => { super::b::B } }").is_empty());
}

#[test]
fn a_parent_and_a_child_that_name_each_other_are_a_circle() {
    let files =
        [("lib.rs", "mod child; pub use child::C; pub struct P;"), ("child.rs", "use super::P; pub struct C(P);")];
    assert_eq!(circles(&files), ["child.rs lib.rs"]);
}

#[test]
fn a_name_that_the_parent_passes_on_is_its_owners() {
    let files = [
        ("lib.rs", "mod a; mod b; pub use a::A; pub use b::*;"),
        ("a.rs", "pub struct A;"),
        ("b.rs", "use crate::A; pub struct B(A);"),
    ];
    assert!(circles(&files).is_empty());
}

#[test]
fn a_circle_through_others_is_one_and_another_is_another() {
    let files = [
        ("lib.rs", "mod a; mod b; mod c { pub struct C(crate::a::A); } mod d; #[path = \"elsewhere/e.rs\"] mod e;"),
        ("a.rs", "pub struct A(crate::b::B);"),
        ("b/mod.rs", "pub mod within; pub struct B(crate::c::C);"),
        ("b/within.rs", "pub struct W(super::B);"),
        ("d.rs", "pub struct D(crate::e::E);"),
        ("elsewhere/e.rs", "pub struct E(crate::d::D);"),
    ];
    let mut found = circles(&files);
    found.sort();
    assert_eq!(found, ["a.rs b/mod.rs lib.rs::c", "d.rs elsewhere/e.rs"]);
}

#[test]
fn imports_of_each_other_end() {
    assert!(circles(&[("lib.rs", "mod a; use a::*;"), ("a.rs", "pub use super::*; fn f() { nothing() }")]).is_empty());
}

#[test]
fn what_cannot_be_read_is_no_crate_without_circles() {
    let read = |path: &Path| (path == Path::new("lib.rs")).then(|| "mod missing;".to_owned());
    assert!(ModuleTree::read(Path::new("lib.rs"), &read).is_err());
}
