//! The scenarios and their points.

use crate::charge_point::Pace;
use crate::gateway_config::Setup;
use crate::load::Work;
use crate::mqtt::Quality;
use crate::script::Script;
use crate::stand::{Contestant, Run};
use clap::ValueEnum;
use serde::Serialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scenario {
    /// Each charge point sends a Heartbeat as soon as the previous one is answered
    Closed,
    /// The same with QoS 0 and 1
    Qos,
    /// CALLs at a fixed rate, at most one open at each charge point
    Open,
    /// The CALLs of a charge point's day, in their proportion
    Mix,
    /// All charge points connect at once and boot
    Storm,
    /// Charge points that have booted and are silent
    Idle,
    /// A back end sends each charge point a CALL as soon as the previous one is answered
    FanOut,
    /// Transforms before the mapping that pass every frame on
    Chain,
    /// Validation of every payload, in both directions
    Validation,
    /// wss instead of ws
    Tls,
}

/// One line of a scenario's table.
#[derive(Clone)]
pub(crate) struct Point {
    /// Its name in the table.
    pub(crate) label: String,
    /// Its x value in a picture.
    pub(crate) x: f64,
    pub(crate) run: Run,
    /// The rate as a share of what the floor reaches in a closed loop with as many charge points; resolved before the
    /// run.
    pub(crate) share_of_floor: Option<f64>,
}

/// Number of charge points in scenarios with a fixed number.
const FIXED: usize = 100;
/// Number of charge points that send at a fixed rate.
const SENDERS: usize = 400;
/// The load at which latencies are compared, as a share of what the floor reaches.
const SHARE_OF_FLOOR: f64 = 0.6;
/// Maximum number of idle charge points: fits into 20,000 open files.
const MOST_IDLE: usize = 18_000;

impl Scenario {
    pub(crate) const ALL: &[Scenario] = &[
        Scenario::Closed,
        Scenario::Qos,
        Scenario::Open,
        Scenario::Mix,
        Scenario::Storm,
        Scenario::Idle,
        Scenario::FanOut,
        Scenario::Chain,
        Scenario::Validation,
        Scenario::Tls,
    ];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Scenario::Closed => "Closed loop",
            Scenario::Qos => "QoS",
            Scenario::Open => "Open loop",
            Scenario::Mix => "The messages of a day",
            Scenario::Storm => "Connect storm",
            Scenario::Idle => "Idle connections",
            Scenario::FanOut => "Downlink fan-out",
            Scenario::Chain => "Chains of transforms",
            Scenario::Validation => "Validation",
            Scenario::Tls => "TLS",
        }
    }

    /// Whether each charge point always has a CALL open, at all points of the scenario.
    pub(super) fn is_closed_loop(self) -> bool {
        !matches!(self, Scenario::Open | Scenario::Storm | Scenario::Idle | Scenario::Tls)
    }

    /// Whether the scenario applies to this contestant: only the gateway has transforms, schemas and certificates.
    pub(crate) fn supports(self, contestant: Contestant) -> bool {
        match self {
            Scenario::Chain | Scenario::Validation | Scenario::Tls => contestant == Contestant::Gateway,
            Scenario::Open | Scenario::Storm | Scenario::Idle => contestant != Contestant::Other,
            Scenario::Closed | Scenario::Qos | Scenario::Mix | Scenario::FanOut => true,
        }
    }

    /// Its points. `quick`: only a few that take little time.
    pub(crate) fn points(self, quick: bool) -> Vec<Point> {
        let of = |all: &[usize], few: &[usize]| if quick { few.to_vec() } else { all.to_vec() };
        match self {
            Scenario::Closed => of(&[1, 20, 100, 400, 1000, 5000], &[1, 100])
                .into_iter()
                .map(|n| Point::with_charge_points(n, Work::closed_loop()))
                .collect(),
            Scenario::Qos => {
                let qualities = [Quality::AtMostOnce, Quality::AtLeastOnce];
                let both = |n| qualities.map(|quality| Point::with_charge_points(n, Work::closed_loop()).with(quality));
                of(&[FIXED, SENDERS], &[FIXED]).into_iter().flat_map(both).collect()
            }
            Scenario::Open if quick => vec![Point::rate(1000)],
            Scenario::Open => {
                let rates = [250, 500, 1000, 2000, 4000, 8000].map(Point::rate);
                rates.into_iter().chain([Point::share(SHARE_OF_FLOOR)]).collect()
            }
            Scenario::Mix => vec![Point::with_charge_points(FIXED, Work::Calls(Pace::ClosedLoop, Script::day()))],
            Scenario::Storm => {
                of(&[1000, 5000], &[200]).into_iter().map(|n| Point::with_charge_points(n, Work::Storm)).collect()
            }
            Scenario::Idle => of(&[1000, 5000, 10_000, MOST_IDLE], &[1000])
                .into_iter()
                .map(|n| Point::with_charge_points(n, Work::idle()))
                .collect(),
            Scenario::FanOut => {
                of(&[20, 100, 1000], &[100]).into_iter().map(|n| Point::with_charge_points(n, Work::Commands)).collect()
            }
            Scenario::Chain => [("standard alone", 0), ("3 transforms", 2), ("5 transforms", 4)]
                .map(|(label, stages)| Point::setup(label, Setup { stages, ..Setup::default() }, Work::closed_loop()))
                .into(),
            Scenario::Validation => [("off", false), ("both ways", true)]
                .map(|(label, validation)| {
                    let work = Work::Calls(Pace::ClosedLoop, Script::statuses());
                    Point::setup(label, Setup { validation, ..Setup::default() }, work)
                })
                .into(),
            Scenario::Tls => {
                let pair = |what: &str, work: Work| {
                    [("ws", false), ("wss", true)].map(|(scheme, tls)| {
                        Point::setup(&format!("{scheme}, {what}"), Setup { tls, ..Setup::default() }, work.clone())
                    })
                };
                let mut points = pair("closed loop", Work::closed_loop()).to_vec();
                let idle = pair("1000 idle", Work::idle());
                points.extend(idle.map(|point| Point { run: Run { charge_points: 1000, ..point.run }, ..point }));
                points
            }
        }
    }
}

impl Point {
    fn with_charge_points(charge_points: usize, work: Work) -> Self {
        let run = Run::new(charge_points, work);
        Point { label: charge_points.to_string(), x: charge_points as f64, run, share_of_floor: None }
    }

    fn with(self, quality: Quality) -> Self {
        let label = format!("{}, QoS {}", self.label, quality.number());
        Point { label, run: Run { quality: Some(quality), ..self.run }, ..self }
    }

    /// `rate`: CALLs per second, of all charge points together.
    fn rate(rate: usize) -> Self {
        let run = Run::new(SENDERS, Work::at_rate(rate as f64, SENDERS));
        Point { label: format!("{rate}/s"), x: rate as f64, run, share_of_floor: None }
    }

    fn share(share: f64) -> Self {
        let label = format!("{:.0} % of the floor's", share * 100.0);
        Point { label, share_of_floor: Some(share), ..Point::rate(1) }
    }

    fn setup(label: &str, setup: Setup, work: Work) -> Self {
        Point {
            label: label.to_owned(),
            run: Run { setup, ..Run::new(FIXED, work) },
            ..Point::with_charge_points(FIXED, Work::idle())
        }
    }

    /// The point with the rate that is its share of what the floor reaches.
    pub(crate) fn at_share(&self, floor_calls_per_second: f64) -> Self {
        let Some(share) = self.share_of_floor else { return self.clone() };
        let rate = share * floor_calls_per_second;
        Point { x: rate, run: Run { work: Work::at_rate(rate, SENDERS), ..self.run.clone() }, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_scenarios_are_listed() {
        assert_eq!(Scenario::value_variants(), Scenario::ALL);
    }

    #[test]
    fn each_scenario_has_points_and_no_more_of_them_if_quick() {
        for scenario in Scenario::ALL {
            let (all, few) = (scenario.points(false), scenario.points(true));
            assert!(!few.is_empty() && few.len() <= all.len(), "{scenario:?}");
            assert!(all.iter().all(|point| point.run.charge_points <= MOST_IDLE), "{scenario:?}");
        }
    }

    #[test]
    fn share_of_the_floor_becomes_a_rate() {
        let point = Point::share(0.6).at_share(10_000.0);
        assert_eq!(point.x, 6000.0);
        assert!(matches!(point.run.work, Work::Calls(Pace::Every(interval), _) if interval.as_micros() == 66_666));
    }
}
