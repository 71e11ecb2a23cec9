//! The transform {{name}}: its configuration, and the hooks that it exports. Each hook is in a file of its own.

{{modules}}

use ocpp_transform::{Transform, export, read_config};
use serde::Deserialize;

/// `[transforms.config]` of the gateway's configuration: a table for each hook.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
{{fields}}
}

struct MyTransform {
    config: Config,
}

impl Transform for MyTransform {
    fn configure(config: &str) -> Result<Self, String> {
        Ok(MyTransform { config: read_config(config)? })
    }
}

export!(MyTransform: {{traits}});
