//! Relative paths, which are relative to the directory of the configuration file.

use super::sections::Config;
use super::values::Identities;
use std::path::{Path, PathBuf};

/// Makes all paths relative to the directory of `file`, the configuration file. Without one they are relative to the
/// working directory, as they are.
pub(super) fn resolve(config: &mut Config, file: Option<&Path>) {
    config.drop_in.resolve(file);
    let Some(directory) = file.and_then(Path::parent) else { return };
    config.storage.resolve(directory);
    let Config { ocpp, listeners, mqtt, admin, transforms, .. } = config;
    let mut paths: Vec<&mut PathBuf> = Vec::new();
    let more = listeners.iter_mut().map(|own| (&mut own.identities, &mut own.auth, &mut own.tls));
    let of_ocpp = (&mut ocpp.identities, &mut ocpp.auth, &mut ocpp.tls);
    for (identities, auth, tls) in more.chain([of_ocpp]) {
        if let Some(Identities::File(path)) = identities {
            paths.push(path);
        }
        paths.extend(&mut auth.users);
        if let Some(tls) = tls {
            paths.extend(tls.paths());
        }
    }
    if let Some(tls) = &mut admin.tls {
        paths.extend([&mut tls.cert, &mut tls.key]);
    }
    if let Some(tls) = &mut mqtt.tls {
        paths.extend([&mut tls.ca, &mut tls.cert, &mut tls.key].into_iter().flatten());
    }
    paths.extend([&mut mqtt.password_file, &mut admin.token_file, &mut admin.viewer_token_file].into_iter().flatten());
    paths.into_iter().for_each(|path| *path = directory.join(&*path));
    transforms.iter_mut().for_each(|transform| transform.resolve_paths(directory));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys;
    use serde_json::Value;

    /// Every key whose name says that it is a path, with a relative one.
    const TEXT: &str = "
        ocpp.identities = \"it\"
        ocpp.auth.users = \"it\"
        ocpp.tls = { cert = \"it\", key = \"it\", client_ca = \"it\", client_crl = [\"it\"], certificates = [{ cert = \"it\", key = \"it\" }] }
        listeners = [{ identities = \"it\", auth = { users = \"it\" }, tls = { cert = \"it\", key = \"it\", client_ca = \"it\", client_crl = [\"it\"], certificates = [{ cert = \"it\", key = \"it\" }] } }]
        mqtt = { password_file = \"it\", tls = { ca = \"it\", cert = \"it\", key = \"it\" } }
        admin = { token_file = \"it\", viewer_token_file = \"it\", tls = { cert = \"it\", key = \"it\" } }
        drop_in.directory = \"it\"
        storage.directory = \"it\"
        transforms = [
            { name = \"a\", component = \"it\", samples = \"it\", config = { file = \"own\" } },
            { name = \"b\", component = \"builtin:jq\", config = { file = \"it\" } },
        ]";

    #[test]
    fn relative_paths_are_relative_to_the_configuration() {
        let mut config: Config = toml::from_str(TEXT).expect("a configuration");
        let count = |config: &Config, text: &str| {
            serde_json::to_string(config).expect("JSON").matches(&format!("\"{text}\"")).count()
        };
        let paths = count(&config, "it");
        assert_eq!(paths, TEXT.matches("\"it\"").count());
        resolve(&mut config, Some(Path::new("/etc/gw/config.toml")));
        assert_eq!((count(&config, "it"), count(&config, "/etc/gw/it")), (0, paths));
        // The component's own `file` is no path of the gateway.
        assert_eq!(count(&config, "own"), 1);
        resolve(&mut config, Some(Path::new("/elsewhere/config.toml")));
        assert_eq!(count(&config, "/etc/gw/it"), paths);
    }

    #[test]
    fn every_key_that_is_named_like_a_path_is_among_them() {
        let table: Value = toml::from_str(TEXT).expect("TOML");
        let is_path = |name: &str| {
            let names = ["cert", "key", "ca", "client_ca", "client_crl", "users", "samples", "component", "directory"];
            name.ends_with("file") || name == "identities" || names.contains(&name)
        };
        for key in keys::all().iter().filter(|key| key.rsplit('.').next().is_some_and(is_path)) {
            // `transforms` is a list.
            let below = |value: &'_ Value, name: &str| value.get(name).or_else(|| value.get(0)?.get(name)).cloned();
            let found = key.split('.').try_fold(table.clone(), |value, name| below(&value, name));
            // Common names of certificates have the same key as a list of identities.
            assert!(found.is_some() || key.ends_with("tls.identities"), "{key} is not tested");
        }
    }
}
