//! Gives meter values one form, whatever the charge point makes of the specification: one unit for energy and one for
//! power, defaults written out, strings where strings are asked for and numbers where numbers are.
//!
//! | version | action | member |
//! |---|---|---|
//! | 1.6 | MeterValues | `meterValue` |
//! | 1.6 | StopTransaction | `transactionData` |
//! | 2.0.1, 2.1 | MeterValues, TransactionEvent | `meterValue` |

pub mod config;
mod decimal;
mod sample;
pub mod unit;

use config::Config;
use ocpp_transform::log::{Level, log};
use ocpp_transform::{Frame, FrameAction, FrameType, Peer, Transform, Uplink, export, metrics, read_config};
use ocpp_transform_json_tree::{Object, ReadError, Tree};
use sample::Fault;

/// Mends sampled values.
pub struct MeterValues {
    config: Config,
}

/// How a version writes a sampled value.
type Mend = fn(&mut Object<'_>, &Config) -> Result<(), Fault>;

impl Transform for MeterValues {
    fn configure(config: &str) -> Result<Self, String> {
        Ok(MeterValues { config: read_config(config)? })
    }
}

impl Uplink for MeterValues {
    fn handle(&self, peer: &Peer, frame: Frame) -> Vec<FrameAction> {
        let Some((list, mend)) = meter_values(peer, &frame) else {
            return vec![FrameAction::Pass];
        };
        let Mended { payload, samples, fault } = match self.mended(&frame, list, mend) {
            Ok(mended) => mended,
            Err(error) => {
                left_alone(&frame, &format!("the payload cannot be read: {error}"));
                return vec![FrameAction::Pass];
            }
        };
        if let Some(fault) = fault {
            left_alone(&frame, &fault);
        }
        let Some(payload) = payload else {
            return vec![FrameAction::Pass];
        };
        metrics::count("meter_samples_mended", samples, &vec![]);
        vec![FrameAction::Replace(Frame { payload, ..frame })]
    }
}

impl MeterValues {
    /// As much as there is room for: all, all but the defaults, or nothing. A call that answers with more has failed, and
    /// the charge point would send the same frame again and again.
    fn mended(&self, frame: &Frame, list: &str, mend: Mend) -> Result<Mended, ReadError> {
        let room = self.room(frame);
        if let Some(mended) = Mended::of(&frame.payload, list, mend, &self.config)?.if_fits(room) {
            return Ok(mended);
        }
        if self.config.fill_defaults {
            let config = Config { fill_defaults: false, ..self.config.clone() };
            if let Some(mended) = Mended::of(&frame.payload, list, mend, &config)?.if_fits(room) {
                return Ok(Mended { fault: Some("there is no room for the defaults".into()), ..mended });
            }
        }
        Ok(Mended { payload: None, samples: 0, fault: Some("there is no room for what would be mended".into()) })
    }

    /// How large the payload may become.
    fn room(&self, frame: &Frame) -> usize {
        let attributes: usize = frame.attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.config.max_bytes.max((2 * frame.payload.len()).saturating_sub(attributes))
    }
}

/// What became of a payload.
struct Mended {
    /// None: there was nothing to mend.
    payload: Option<String>,
    /// How many sampled values changed.
    samples: u32,
    /// The first thing that could not be mended.
    fault: Option<String>,
}

impl Mended {
    fn of(payload: &str, list: &str, mend: Mend, config: &Config) -> Result<Self, ReadError> {
        let mut tree = Tree::parse(payload)?;
        let mut work = Work { config, mend, mended: 0, fault: None };
        work.payload(&mut tree, list);
        let Work { mended, fault, .. } = work;
        Ok(Mended { payload: (mended > 0).then(|| tree.to_string()), samples: mended, fault })
    }

    /// Gives back the memory of what does not fit.
    fn if_fits(self, room: usize) -> Option<Self> {
        self.payload.as_ref().is_none_or(|payload| payload.len() <= room).then_some(self)
    }
}

/// Where the meter values of a frame stand, and how they are written; `None`: it has none.
fn meter_values(peer: &Peer, frame: &Frame) -> Option<(&'static str, Mend)> {
    if frame.type_ != FrameType::Call {
        return None;
    }
    match (peer.protocol.as_str(), frame.action.as_deref()?) {
        ("ocpp1.6", "MeterValues") => Some(("meterValue", sample::mend_1_6)),
        ("ocpp1.6", "StopTransaction") => Some(("transactionData", sample::mend_1_6)),
        ("ocpp1.6", _) => None,
        (_, "MeterValues" | "TransactionEvent") => Some(("meterValue", sample::mend_2)),
        _ => None,
    }
}

/// One payload being mended.
struct Work<'c> {
    config: &'c Config,
    mend: Mend,
    /// How many sampled values changed.
    mended: u32,
    /// The first thing that could not be mended.
    fault: Option<String>,
}

impl Work<'_> {
    fn payload(&mut self, payload: &mut Tree<'_>, list: &str) {
        match member(payload, list) {
            // A StopTransaction and a TransactionEvent need not have any.
            None => {}
            Some(Tree::List(meter_values)) => meter_values.iter_mut().for_each(|one| self.meter_value(one)),
            Some(_) => self.complain(format!("{list} is not a list")),
        }
    }

    fn meter_value(&mut self, meter_value: &mut Tree<'_>) {
        if member(meter_value, "timestamp").is_none_or(|timestamp| timestamp.is_null()) {
            self.complain("a meter value has no timestamp".into());
        }
        match member(meter_value, "sampledValue") {
            Some(Tree::List(samples)) => samples.iter_mut().for_each(|sample| self.sampled_value(sample)),
            _ => self.complain("a meter value has no list of sampled values".into()),
        }
    }

    /// All of it or nothing.
    fn sampled_value(&mut self, sample: &mut Tree<'_>) {
        let Tree::Object(sample) = sample else {
            return self.complain("a sampled value is not an object".into());
        };
        let mut mended = sample.clone();
        match (self.mend)(&mut mended, self.config) {
            Ok(()) if mended != *sample => {
                *sample = mended;
                self.mended += 1;
            }
            Ok(()) => {}
            Err(fault) => self.complain(fault.to_string()),
        }
    }

    fn complain(&mut self, fault: String) {
        self.fault.get_or_insert(fault);
    }
}

fn member<'t, 'a>(tree: &'t mut Tree<'a>, name: &str) -> Option<&'t mut Tree<'a>> {
    match tree {
        Tree::Object(object) => object.get_mut(name),
        _ => None,
    }
}

/// One line for a frame, whatever is in it: a charge point that gets something wrong gets it wrong many times.
fn left_alone(frame: &Frame, fault: &str) {
    let action = frame.action.as_deref().unwrap_or_default();
    let fields = [("fault", fault), ("action", action), ("message_id", &frame.id)];
    log(Level::Warn, "meter values left alone", &fields);
}

export!(MeterValues: Uplink);

#[cfg(test)]
mod tests;
