//! The bindings that wit-bindgen generates from `wit/transform.wit`: one world per hook, so that a component exports
//! only the hooks that it has. All worlds share the types and the imports of the world `host`.

wit_bindgen::generate!({
    path: "../wit",
    world: "host",
    generate_unused_types: true,
    additional_derives: [PartialEq],
});

macro_rules! hook_world {
    ($module:ident, $world:tt, $macro_name:tt) => {
        pub mod $module {
            wit_bindgen::generate!({
                path: "../wit",
                world: $world,
                pub_export_macro: true,
                export_macro_name: $macro_name,
                with: {
                    "ocpp-gateway:transform/types@1.0.0": super::ocpp_gateway::transform::types,
                    "ocpp-gateway:transform/log@1.0.0": super::ocpp_gateway::transform::log,
                    "ocpp-gateway:transform/state@1.0.0": super::ocpp_gateway::transform::state,
                    "ocpp-gateway:transform/metrics@1.0.0": super::ocpp_gateway::transform::metrics,
                    "ocpp-gateway:transform/clock@1.0.0": super::ocpp_gateway::transform::clock,
                },
            });
        }
    };
}

hook_world!(lifecycle, "lifecycle-hook", "__export_lifecycle");
hook_world!(mapping, "mapping-hook", "__export_mapping");
hook_world!(uplink, "uplink-hook", "__export_uplink");
hook_world!(downlink, "downlink-hook", "__export_downlink");
hook_world!(outbound, "outbound-hook", "__export_outbound");
hook_world!(inbound, "inbound-hook", "__export_inbound");
hook_world!(admission, "admission-hook", "__export_admission");
hook_world!(events, "events-hook", "__export_events");
hook_world!(validation, "validation-hook", "__export_validation");
