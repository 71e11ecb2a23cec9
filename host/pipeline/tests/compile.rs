//! Which components are compiled, and in which process.

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
    // Functions in the modules of a nested component count too.
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
    // It has no hooks, which is found after compilation.
    let compiled = fault(uploaded(&component, None), options(500));
    assert!(matches!(compiled, LoadFault::MissingHook { .. }), "{compiled}");
}

/// Acts as the other process, and counts what it compiles.
#[derive(Debug, Default)]
struct CountingCompiler(AtomicUsize);

impl Compile for CountingCompiler {
    fn compile(&self, component: &[u8]) -> Result<Vec<u8>, CompileError> {
        self.0.fetch_add(1, Relaxed);
        compile_component(component)
    }
}

#[test]
fn only_components_from_elsewhere_are_compiled_by_the_process() {
    let compiler = Arc::new(CountingCompiler::default());
    let options = || LoadOptions { compile: Some(compiler.clone()), ..LoadOptions::default() };
    let pipeline = Pipeline::load_in(Vec::new(), options()).expect("the standard transform loads");
    assert_eq!(compiler.0.load(Relaxed), 0);
    // A swap to the same bytes changes nothing.
    let another = Source::Bytes(another_version(STANDARD, 0).into());
    pipeline.swap("standard", Some(another), FewerHooks::Refuse).expect("swapped");
    let filters = pipeline.subscriptions(&pipeline.newest(), &peer("CP1")).expect("filters");
    assert_eq!(filters[0].filter.as_str(), "ocpp/cs/CP1");
    assert_eq!(compiler.0.load(Relaxed), 1);
    // What ships with the gateway is compiled here, with a time limit too.
    let timed =
        TransformSpec { source: Source::Builtin("standard".into()), ..uploaded(&[], Some(Duration::from_secs(1))) };
    Pipeline::load_in(vec![timed], options()).expect("loaded");
    assert_eq!(compiler.0.load(Relaxed), 1);
}

#[test]
fn load_error_has_the_reason_of_the_compile_process() {
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
