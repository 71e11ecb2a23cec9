//! `transform list`: the ready-made transforms, a line each.

use super::verdict::CommandResult;
use ocpp_gateway_pipeline::BUILTINS;

pub(super) fn run() -> anyhow::Result<CommandResult> {
    let width = BUILTINS.iter().map(|builtin| builtin.name.len()).max().unwrap_or_default();
    for builtin in BUILTINS {
        println!("builtin:{:<width$}  {}", builtin.name, builtin.description);
    }
    Ok(CommandResult::Good)
}
