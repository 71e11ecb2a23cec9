//! The kinds of harm that are tried, and what the neighbours may feel of each.

use ocpp_gateway_testkit::component::empty_functions;

/// One kind of harm.
pub(super) struct Harm {
    pub(super) what: &'static str,
    pub(super) by: By,
    /// How many charge points it is matched to.
    pub(super) charge_points: usize,
    /// How many times the p50 of the neighbours may be what it is without it.
    pub(super) p50: f64,
    /// And the p99, where there is a limit.
    pub(super) p99: Option<f64>,
}

/// How it is done.
#[derive(Clone, Copy)]
pub(super) enum By {
    /// The transform does it in this hook for the messages of its charge points.
    Message { hook: &'static str },
    /// The transform does it whenever one of its charge points wants to connect: they try all the time.
    Connecting,
    /// A configuration that asks for it is read, over and over.
    Reload { hook: &'static str },
    /// A component that is costly to compile is uploaded, over and over.
    Upload(fn() -> Vec<u8>),
}

impl By {
    /// The hook of the transform.
    pub(super) fn hook(self) -> &'static str {
        match self {
            By::Message { hook } | By::Reload { hook } => hook,
            By::Connecting => "admission",
            By::Upload(_) => "uplink",
        }
    }

    /// Whether the transform does it from the start.
    pub(super) fn is_configured(self) -> bool {
        matches!(self, By::Message { .. } | By::Connecting)
    }
}

const UPLINK: By = By::Message { hook: "uplink" };

const fn of_three(what: &'static str, by: By) -> Harm {
    Harm { what, by, charge_points: 3, p50: 1.5, p99: None }
}

pub(super) const HARMS: [Harm; 10] = [
    Harm { what: "panic", by: UPLINK, charge_points: 1, p50: 1.2, p99: Some(2.0) },
    of_three("panic", UPLINK),
    of_three("loop", UPLINK),
    of_three("take 9 ms", UPLINK),
    of_three("take 18 ms", UPLINK),
    of_three("take memory", UPLINK),
    of_three("count with many labels", UPLINK),
    of_three("accept with 12000 attributes", By::Connecting),
    of_three("double forty times", By::Reload { hook: "validation" }),
    // Nearly as many as `runtime.compile_functions` allows.
    of_three("90,000 functions", By::Upload(|| empty_functions(90_000))),
];
