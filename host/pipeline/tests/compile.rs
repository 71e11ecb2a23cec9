//! What may be compiled, and where.

mod common;

use common::peer;
use ocpp_gateway_pipeline::{
    Compile, CompileError, FewerHooks, LoadFault, LoadOptions, Pipeline, STANDARD, Source, TransformSpec,
    compile_component,
};
use ocpp_gateway_testkit::component::another_version;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

fn uploaded(component: &[u8], time: Option<Duration>) -> TransformSpec {
    let mut spec = TransformSpec { source: Source::Bytes(component.into()), ..TransformSpec::standard() };
    spec.limits.time = time;
    spec
}

fn fault(spec: TransformSpec, options: LoadOptions) -> LoadFault {
    let mut errors = Pipeline::load_in(vec![spec], options).err().expect("not loaded");
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors.remove(0).fault
}

#[test]
fn component_with_too_many_functions_is_not_compiled() {
    // In modules of a component in a component too.
    let text = format!(
        "(component (core module {}) (component (core module {})))",
        "(func)".repeat(300),
        "(func)".repeat(200)
    );
    let component = wat::parse_str(text).expect("a component");
    let options = |max_functions| LoadOptions { max_functions, ..LoadOptions::default() };
    let refused = fault(uploaded(&component, None), options(499));
    assert!(matches!(refused, LoadFault::TooManyFunctions { count: 500, limit: 499 }), "{refused}");
    assert!(refused.to_string().contains("runtime.compile_functions"), "{refused}");
    // It has no hooks, which is seen once it is compiled.
    let compiled = fault(uploaded(&component, None), options(500));
    assert!(matches!(compiled, LoadFault::MissingHook { .. }), "{compiled}");
}

/// Stands in for another process: counts what it compiles.
#[derive(Debug, Default)]
struct Noted(AtomicUsize);

impl Compile for Noted {
    fn compile(&self, component: &[u8]) -> Result<Vec<u8>, CompileError> {
        self.0.fetch_add(1, Relaxed);
        compile_component(component)
    }
}

#[test]
fn components_from_elsewhere_are_compiled_elsewhere() {
    let noted = Arc::new(Noted::default());
    let options = || LoadOptions { compile: Some(noted.clone()), ..LoadOptions::default() };
    let pipeline = Pipeline::load_in(Vec::new(), options()).expect("the standard transform loads");
    assert_eq!(noted.0.load(Relaxed), 0);
    // The same bytes would be no swap.
    let another = Source::Bytes(another_version(STANDARD, 0).into());
    pipeline.swap("standard", Some(another), FewerHooks::Refuse).expect("swapped");
    let filters = pipeline.subscriptions(&pipeline.newest(), &peer("CP1")).expect("filters");
    assert_eq!(filters[0].filter.as_str(), "ocpp/cs/CP1");
    assert_eq!(noted.0.load(Relaxed), 1);
    // What ships with the gateway is compiled here, with a time limit too.
    let timed =
        TransformSpec { source: Source::Builtin("standard".into()), ..uploaded(&[], Some(Duration::from_secs(1))) };
    Pipeline::load_in(vec![timed], options()).expect("loaded");
    assert_eq!(noted.0.load(Relaxed), 1);
}

#[test]
fn why_nothing_was_compiled_is_said() {
    #[derive(Debug)]
    struct TooLong;
    impl Compile for TooLong {
        fn compile(&self, _: &[u8]) -> Result<Vec<u8>, CompileError> {
            Err(CompileError::Budget("more than 1 s".into()))
        }
    }
    let options = LoadOptions { compile: Some(Arc::new(TooLong)), ..LoadOptions::default() };
    let refused = fault(uploaded(STANDARD, None), options);
    assert!(matches!(&refused, LoadFault::Compile(CompileError::Budget(_))), "{refused}");
    assert_eq!(refused.to_string(), "takes too much to compile: more than 1 s");
}
