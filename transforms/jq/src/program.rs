//! A program: parsed and compiled once, then run for each call of a hook.

use crate::hook::Hook;
use crate::natives::{Data, ENTRIES, Kind, functions, prelude};
use crate::problem;
use jaq_core::compile::TermId;
use jaq_core::load::lex::Lexer;
use jaq_core::load::parse::{Def, Parser};
use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Exn, Filter, Vars};
use jaq_json::Val;
use std::cell::RefCell;

/// A compiled program.
pub struct Program {
    filter: Filter<Kind>,
    /// Where the filter of each hook starts; `None`: the program does not define it.
    entries: [Option<TermId>; Hook::ALL.len()],
}

impl Program {
    /// Compiles a program. The error is for its author, with line, column and the line itself.
    pub fn compile(code: &str) -> Result<Self, String> {
        let hooks = defined_hooks(code)?;
        check_hooks(&hooks)?;
        // The main part names the filters of all hooks, so that one compilation serves them all. The two line breaks
        // end a comment that goes on in the next line, as one with a backslash does.
        let mains = Hook::ALL.map(|hook| if hooks.contains(&hook) { hook.name() } else { "." });
        let whole = format!("{code}\n\n{ENTRIES}({})", mains.join("; "));
        let arena = Arena::default();
        let modules = Loader::new(prelude())
            .load(&arena, File { code: &*whole, path: () })
            .map_err(|errors| problem::of_loading(code, errors))?;
        let filter = Compiler::default()
            .with_funs(functions())
            .compile(modules)
            .map_err(|errors| problem::of_compiling(code, &whole, errors))?;
        let found = RefCell::new(Vec::new());
        let context = Ctx::<Kind>::new(Data { terms: &filter.lut, found: &found }, Vars::new([]));
        filter.id.run((context, Val::Null)).for_each(drop);
        let found = found.into_inner();
        if found.len() != Hook::ALL.len() {
            return Err("program: its filters were not found".to_owned());
        }
        let entries = std::array::from_fn(|index| hooks.contains(&Hook::ALL[index]).then_some(found[index]));
        Ok(Program { filter, entries })
    }

    /// The hooks that the program defines.
    pub fn hooks(&self) -> impl Iterator<Item = Hook> + '_ {
        Hook::ALL.into_iter().filter(|&hook| self.defines(hook))
    }

    pub fn defines(&self, hook: Hook) -> bool {
        self.entries[hook as usize].is_some()
    }

    /// The outputs of the filter of `hook`, one after the other; the first error ends them. A hook that is not defined
    /// has none.
    pub fn run(&self, hook: Hook, input: Val) -> Result<Vec<Val>, String> {
        let Some(entry) = self.entries[hook as usize] else {
            return Ok(Vec::new());
        };
        let found = RefCell::default();
        let context = Ctx::<Kind>::new(Data { terms: &self.filter.lut, found: &found }, Vars::new([]));
        entry.run((context, input)).map(|output| output.map_err(text_of)).collect()
    }

    /// The first output of the filter of `hook`, if there is one.
    pub fn run_first(&self, hook: Hook, input: Val) -> Result<Option<Val>, String> {
        let Some(entry) = self.entries[hook as usize] else {
            return Ok(None);
        };
        let found = RefCell::default();
        let context = Ctx::<Kind>::new(Data { terms: &self.filter.lut, found: &found }, Vars::new([]));
        entry.run((context, input)).next().transpose().map_err(text_of)
    }
}

fn text_of(exception: Exn<'_, Val>) -> String {
    match exception.get_err() {
        Ok(error) => match error.into_val() {
            // A text without the quotes that JSON would put around it.
            Val::TStr(text) => problem::shorten(&String::from_utf8_lossy(&text), 300),
            other => problem::shorten(&other.to_string(), 300),
        },
        Err(_) => "it ended with `break` outside of its `label`".to_owned(),
    }
}

/// The hooks for which the program has a filter without arguments.
fn defined_hooks(code: &str) -> Result<Vec<Hook>, String> {
    let tokens = Lexer::new(code).lex().map_err(|errors| problem::of_lexing(code, errors))?;
    let definitions: Vec<Def<&str>> =
        Parser::new(&tokens).parse(|parser| parser.defs()).map_err(|errors| problem::of_parsing(code, errors))?;
    for hook in Hook::ALL {
        let with_arguments = definitions.iter().rfind(|def| def.name == hook.name() && !def.args.is_empty());
        if let Some(def) = with_arguments {
            return Err(problem::at(code, def.name, "a hook takes no arguments"));
        }
    }
    let is_defined = |hook: &Hook| definitions.iter().any(|def| def.name == hook.name());
    Ok(Hook::ALL.into_iter().filter(is_defined).collect())
}

/// A program without a hook does nothing, and half a mapping loses messages: both are mistakes.
fn check_hooks(hooks: &[Hook]) -> Result<(), String> {
    let missing = |hook: Hook| !hooks.contains(&hook);
    if hooks.is_empty() {
        let names = Hook::ALL.map(Hook::name).join(", ");
        return Err(format!(
            "program: it defines no hook, such as `def uplink: .;`. A hook is a filter with one of these names: {names}"
        ));
    }
    let mapping = [Hook::FromMqtt, Hook::Subscriptions].into_iter().find(|hook| hooks.contains(hook));
    if let Some(hook) = mapping.filter(|_| missing(Hook::ToMqtt)) {
        return Err(format!("program: it defines `{}`, so it is a mapping and needs `to_mqtt` too", hook.name()));
    }
    match (missing(Hook::FromMqtt), missing(Hook::Subscriptions)) {
        (true, false) => Err("program: it defines `subscriptions`, which needs `from_mqtt` too".to_owned()),
        (false, true) => Err("program: it defines `from_mqtt`, which needs `subscriptions` too".to_owned()),
        _ => Ok(()),
    }
}
