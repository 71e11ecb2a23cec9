//! `settings.toml` is compared with the code.

use ocpp_transform_standard::config::Config;

#[path = "../../settings.rs"]
mod settings;

#[test]
fn settings_file_has_every_key_and_its_default() {
    settings::assert_settings::<Config>(include_str!("../settings.toml"), &[]);
}
