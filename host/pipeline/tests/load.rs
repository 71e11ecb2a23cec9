//! Transforms that do not load, and their faults.

mod common;

use common::{file, spec};
use ocpp_gateway_pipeline::{
    BUILTINS, Builtin, CompileError, Failure, GuestFault, LoadFault, OnError, Pipeline, STANDARD, Source, TransformSpec,
};

/// The faults of one transform.
fn faults(spec: TransformSpec) -> Vec<LoadFault> {
    let (name, component) = (spec.name.clone(), spec.source.to_string());
    let errors = Pipeline::load(vec![spec]).err().expect("not loaded");
    errors
        .into_iter()
        .map(|error| {
            assert_eq!((&error.transform, &error.component), (&name, &component));
            let text = error.to_string();
            assert!(text.contains(&name) && text.contains(&component), "{text}");
            error.fault
        })
        .collect()
}

fn faults_of_file(name: &str, content: &[u8]) -> Vec<LoadFault> {
    faults(spec(file(name, content)))
}

/// The first fault of a component that is given as text.
fn fault_of_wat(name: &str, text: &str) -> LoadFault {
    let component = wat::parse_str(text).expect("the text is a component");
    faults_of_file(name, &component).remove(0)
}

/// A component whose hooks have neither arguments nor results. `core` is in its core module.
fn with_empty_hooks(core: &str) -> String {
    format!(
        r#"(component
            (core module $module (func (export "f")) {core})
            (core instance $core (instantiate $module))
            (func $f (canon lift (core func $core "f")))
            (instance $lifecycle (export "configure" (func $f)))
            (export "ocpp-gateway:transform/lifecycle@1.0.0" (instance $lifecycle))
            (instance $mapping
                (export "subscriptions" (func $f)) (export "to-mqtt" (func $f)) (export "from-mqtt" (func $f)))
            (export "ocpp-gateway:transform/mapping@1.0.0" (instance $mapping)))"#
    )
}

#[test]
fn missing_file_is_a_fault() {
    let missing = spec("no/such/file.wasm".into());
    assert!(matches!(faults(missing)[..], [LoadFault::Unreadable(_)]));
}

#[test]
fn unknown_builtin_is_a_fault() {
    let spec = TransformSpec { source: Source::Builtin("nonsense".into()), ..TransformSpec::standard() };
    assert!(matches!(faults(spec)[..], [LoadFault::UnknownBuiltin(_)]));
    let fault = |name: &str| LoadFault::UnknownBuiltin(name.into()).to_string();
    for Builtin { name, .. } in BUILTINS {
        assert!(fault("nonsense").contains(name), "{name}");
    }
    assert!(fault("redcat").contains("did you mean builtin:redact?"), "{}", fault("redcat"));
    assert!(!fault("nonsense").contains("did you mean"), "{}", fault("nonsense"));
}

#[test]
fn every_builtin_loads() {
    for Builtin { name, .. } in BUILTINS {
        // Settings without a default.
        let config = match *name {
            "jq" => r#"{"program":"def uplink: .;"}"#,
            "redact" => r#"{"key":"0123456789abcdef0123456789abcdef"}"#,
            _ => "{}",
        };
        let source = Source::Builtin((*name).into());
        let spec = TransformSpec { name: (*name).into(), source, config: config.into(), ..TransformSpec::standard() };
        let pipeline = Pipeline::load(vec![spec]).unwrap_or_else(|errors| panic!("{errors:?}"));
        let status = &pipeline.transforms()[0];
        assert_eq!(
            (&status.component, &status.built_as),
            (&format!("builtin:{name}"), &format!("ocpp-transform-{name}"))
        );
    }
}

#[test]
fn file_that_is_no_component_is_a_fault() {
    assert!(matches!(faults_of_file("text.wasm", b"hello, world")[..], [LoadFault::NotWasm]));
    assert!(matches!(faults_of_file("empty.wasm", b"")[..], [LoadFault::NotWasm]));
    let module = wat::parse_str("(module)").expect("a module");
    assert!(matches!(faults_of_file("module.wasm", &module)[..], [LoadFault::CoreModule]));
    assert!(matches!(
        faults_of_file("cut.wasm", &STANDARD[..STANDARD.len() / 2])[..],
        [LoadFault::Compile(CompileError::Invalid(_))]
    ));
}

#[test]
fn component_of_another_package_version_is_refused() {
    for version in ["2.0.0", "0.9.0", "1.0.0-rc.1"] {
        for (name, text) in [
            ("import", format!(r#"(component (import "ocpp-gateway:transform/log@{version}" (instance)))"#)),
            (
                "export",
                format!(
                    r#"(component (instance $i) (export "ocpp-gateway:transform/mapping@{version}" (instance $i)))"#
                ),
            ),
        ] {
            let fault = fault_of_wat(&format!("{name}-{version}.wasm"), &text);
            assert!(matches!(&fault, LoadFault::OtherVersion { built, .. } if built == version), "{fault}");
            assert!(fault.to_string().contains("this gateway runs 1.0.0"), "{fault}");
        }
    }
}

#[test]
fn component_without_hooks_is_refused() {
    let fault = fault_of_wat("nothing.wasm", "(component)");
    assert_eq!(fault.to_string(), "exports no lifecycle; it exports nothing");
    let lifecycle = r#"(component (instance $i) (export "ocpp-gateway:transform/lifecycle@1.0.0" (instance $i)))"#;
    let fault = fault_of_wat("lifecycle.wasm", lifecycle);
    assert!(matches!(fault, LoadFault::MissingHook { wanted: "hook besides lifecycle", .. }), "{fault}");
}

#[test]
fn component_with_unknown_imports_is_refused() {
    for import in ["wasi:cli/environment@0.3.0", "vendor:secrets/key"] {
        let text = format!(r#"(component (import "{import}" (instance)))"#);
        let fault = fault_of_wat(&format!("import-{}.wasm", import.len()), &text);
        assert!(matches!(&fault, LoadFault::ForeignImport(name) if name == import), "{fault}");
    }
}

#[test]
fn component_with_hooks_of_other_types_is_refused() {
    let fault = fault_of_wat("shape.wasm", &with_empty_hooks(""));
    assert!(matches!(&fault, LoadFault::OtherShape { hook, .. } if hook == "lifecycle.configure"), "{fault}");
}

#[test]
fn trap_or_endless_loop_at_the_start_is_a_fault() {
    let fault = fault_of_wat("trap.wasm", &with_empty_hooks("(func $start unreachable) (start $start)"));
    assert!(matches!(&fault, LoadFault::Start(Failure::Guest(GuestFault::Trap(_)))), "{fault}");
    let fault = fault_of_wat("endless.wasm", &with_empty_hooks("(func $start (loop (br 0))) (start $start)"));
    assert!(matches!(&fault, LoadFault::Start(Failure::Guest(GuestFault::Deadline { .. }))), "{fault}");
}

/// 16 MiB are allowed.
#[test]
fn memories_and_tables_share_one_memory_limit() {
    let (memory, table) = ("(memory 100) ", "(table 100000 funcref) ");
    for (name, core) in [
        ("one memory", "(memory 1000)".to_owned()),
        ("three memories", memory.repeat(3)),
        ("one table", "(table 3000000 funcref)".to_owned()),
        ("many tables", table.repeat(30)),
        ("both", memory.repeat(2) + &table.repeat(8)),
    ] {
        let fault = fault_of_wat("large.wasm", &with_empty_hooks(&core));
        assert!(matches!(&fault, LoadFault::Start(Failure::Guest(GuestFault::Memory { .. }))), "{name}: {fault}");
    }
}

#[test]
fn memories_and_tables_are_limited_in_number() {
    for (what, core, limit) in [("memories", "(memory 0) ", 8), ("tables", "(table 0 funcref) ", 64)] {
        for count in [limit + 1, 90] {
            let fault = fault_of_wat("many.wasm", &with_empty_hooks(&core.repeat(count)));
            assert_eq!(fault.to_string(), format!("an instance has {count} {what}, where {limit} are allowed"));
        }
        // As many as are allowed are not a fault.
        let fault = fault_of_wat("some.wasm", &with_empty_hooks(&core.repeat(limit)));
        assert!(matches!(fault, LoadFault::OtherShape { .. }), "{fault}");
    }
    // They are counted over several core instances.
    let again = "(core instance (instantiate $module)) ".repeat(8);
    let several = with_empty_hooks("(memory 0)").replace("(func $f (canon", &(again + "(func $f (canon"));
    let fault = fault_of_wat("several.wasm", &several);
    assert!(matches!(fault, LoadFault::TooMany { what: "memories", count: 9, .. }), "{fault}");
    let instances = "(core instance (instantiate $module)) ".repeat(256);
    let fault = fault_of_wat(
        "instances.wasm",
        &with_empty_hooks("").replace("(func $f (canon", &(instances + "(func $f (canon")),
    );
    assert!(matches!(fault, LoadFault::Start(_)) && fault.to_string().contains("instance count too high"), "{fault}");
}

#[test]
fn configuration_that_the_component_refuses_is_a_fault() {
    let config = r#"{"uplink": {"topik": "x"}}"#.to_owned();
    let faults = faults(TransformSpec { config, ..TransformSpec::standard() });
    assert!(matches!(&faults[..], [LoadFault::Config(reason)] if reason.contains("uplink.topik")), "{faults:?}");
}

#[test]
fn a_mapping_cannot_be_bypassed() {
    let spec = TransformSpec { on_error: OnError::Bypass, ..TransformSpec::standard() };
    assert!(matches!(faults(spec)[..], [LoadFault::BypassedMapping]));
}

#[test]
fn every_fault_is_reported_at_once() {
    let specs = vec![
        TransformSpec::standard(),
        TransformSpec { name: "second".into(), ..TransformSpec::standard() },
        TransformSpec { config: "{]".into(), ..TransformSpec::standard() },
        spec(file("three.wasm", b"hello")),
    ];
    let errors = Pipeline::load(specs).err().expect("not loaded");
    let faults: Vec<_> = errors.iter().map(|error| &error.fault).collect();
    assert!(
        matches!(
            &faults[..],
            [LoadFault::DuplicateName, LoadFault::Config(_), LoadFault::NotWasm, LoadFault::SecondMapping { first }]
                if first == "standard"
        ),
        "{faults:?}"
    );
}
