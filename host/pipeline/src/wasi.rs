//! The part of WASI 0.2 that components with an interpreter need, such as those in JavaScript and Python: the
//! interpreter reads the environment when it starts, and writes tracebacks to standard error.
//!
//! Such a component gets no arguments, no environment and no files. What it writes goes to the log; it may read the
//! clock and random numbers. Any other function that it imports traps when called, and the trap names the function.
//! wasmtime-wasi does more than that, and its synchronous functions panic on a thread of tokio.

mod functions;

use crate::guest::{NotGranted, StoreData};
use functions::Handle;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, LinkerInstance, ResourceType};

/// Whether `import` is of WASI 0.2, which only grows from version to version.
pub(crate) fn is_offered(import: &str) -> bool {
    let version = import.strip_prefix("wasi:").and_then(|import| import.split_once('@')).map(|(_, version)| version);
    version.is_some_and(|version| version.starts_with("0.2.") && !version.contains('-'))
}

/// Defines what `component` imports of WASI: the same interfaces and items, in its version.
pub(crate) fn define_imports(linker: &mut Linker<StoreData>, component: &Component) -> wasmtime::Result<()> {
    let engine = component.engine();
    for (interface, import) in component.component_type().imports(engine) {
        if let ComponentItem::ComponentInstance(wanted) = import.ty
            && is_offered(interface)
        {
            let mut instance = linker.instance(interface)?;
            for (name, item) in wanted.exports(engine) {
                define(&mut instance, interface, name, &item.ty)?;
            }
        }
    }
    Ok(())
}

fn define(
    instance: &mut LinkerInstance<'_, StoreData>,
    interface: &str,
    name: &str,
    item: &ComponentItem,
) -> wasmtime::Result<()> {
    match item {
        // One type for all of them: the component tells them apart, and the host only ever sees the standard streams.
        ComponentItem::Resource(_) => instance.resource(name, ResourceType::host::<Handle>(), |_, _| Ok(())),
        ComponentItem::ComponentFunc(_) => {
            let unversioned = interface.split_once('@').map_or(interface, |(interface, _)| interface);
            if functions::define(instance, unversioned, name)? {
                return Ok(());
            }
            let called = format!("called {interface}#{name}, which is not available to transforms");
            instance.func_new(name, move |_, _, _, _| Err(NotGranted(called.clone()).into()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_wasi_0_2_is_offered() {
        assert!(is_offered("wasi:cli/stderr@0.2.0") && is_offered("wasi:http/types@0.2.10"));
        for other in ["wasi:cli/stderr@0.3.0", "wasi:cli/stderr@0.20.0", "wasi:cli/stderr", "vendor:cli/stderr@0.2.0"] {
            assert!(!is_offered(other), "{other}");
        }
        assert!(!is_offered("wasi:cli/stderr@0.2.0-rc-2023-12-05"));
    }
}
