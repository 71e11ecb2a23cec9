//! Generated components without behaviour, of any size.

use std::borrow::Cow;
use wasm_encoder::{
    CodeSection, Component, ComponentSection as _, CustomSection, Function, FunctionSection, Module, ModuleSection,
    TypeSection,
};

/// A component of one module with this many empty functions.
pub fn empty_functions(number: usize) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut empty = Function::new([]);
    empty.instructions().end();
    let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
    for _ in 0..number {
        functions.function(0);
        code.function(&empty);
    }
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&code);
    let mut component = Component::new();
    component.section(&ModuleSection(&module));
    component.finish()
}

/// The same component with an additional custom section: each `number` results in another SHA-256 hash.
pub fn another_version(component: &[u8], number: u8) -> Vec<u8> {
    let mut another = component.to_vec();
    CustomSection { name: "version".into(), data: Cow::Borrowed(&[number]) }.append_to_component(&mut another);
    another
}
