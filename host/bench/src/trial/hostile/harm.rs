//! The kinds of harm, and the limits of their effect on other charge points.

use ocpp_gateway_testkit::component::empty_functions;

/// One kind of harm.
pub(super) struct Harm {
    pub(super) what: &'static str,
    pub(super) trigger: Trigger,
    /// Number of charge points that the transform matches.
    pub(super) charge_points: usize,
    /// Limit of the ratio of the others' p50 with and without the harm.
    pub(super) p50: f64,
    /// The same for the p99, if limited.
    pub(super) p99: Option<f64>,
}

/// How the harm is triggered.
#[derive(Clone, Copy)]
pub(super) enum Trigger {
    /// The transform does it in this hook, for messages of its charge points.
    Message { hook: &'static str },
    /// The transform does it when one of its charge points connects, which they try repeatedly.
    Connecting,
    /// A configuration that causes it is reloaded repeatedly.
    Reload { hook: &'static str },
    /// A component that is costly to compile is uploaded repeatedly.
    Upload(fn() -> Vec<u8>),
}

impl Trigger {
    /// The hook of the transform.
    pub(super) fn hook(self) -> &'static str {
        match self {
            Trigger::Message { hook } | Trigger::Reload { hook } => hook,
            Trigger::Connecting => "admission",
            Trigger::Upload(_) => "uplink",
        }
    }

    /// Whether the initial configuration of the transform causes it.
    pub(super) fn is_configured(self) -> bool {
        matches!(self, Trigger::Message { .. } | Trigger::Connecting)
    }
}

const UPLINK: Trigger = Trigger::Message { hook: "uplink" };

const fn of_three(what: &'static str, trigger: Trigger) -> Harm {
    Harm { what, trigger, charge_points: 3, p50: 1.5, p99: None }
}

pub(super) const HARMS: [Harm; 10] = [
    Harm { what: "panic", trigger: UPLINK, charge_points: 1, p50: 1.2, p99: Some(2.0) },
    of_three("panic", UPLINK),
    of_three("loop", UPLINK),
    of_three("take 9 ms", UPLINK),
    of_three("take 18 ms", UPLINK),
    of_three("take memory", UPLINK),
    of_three("count with many labels", UPLINK),
    of_three("accept with 12000 attributes", Trigger::Connecting),
    of_three("double forty times", Trigger::Reload { hook: "validation" }),
    // Nearly as many as `runtime.compile_functions` allows.
    of_three("90,000 functions", Trigger::Upload(|| empty_functions(90_000))),
];
