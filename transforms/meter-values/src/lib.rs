//! Gives meter values one form, whatever the charge point sends: one unit for energy and one for power, defaults
//! written out, and strings and numbers as the specification has them.
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

/// Mends a sampled value according to a version.
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
                log_fault(&frame, &format!("the payload cannot be read: {error}"));
                return vec![FrameAction::Pass];
            }
        };
        if let Some(fault) = fault {
            log_fault(&frame, &fault);
        }
        let Some(payload) = payload else {
            return vec![FrameAction::Pass];
        };
        metrics::count("meter_samples_mended", samples, &vec![]);
        vec![FrameAction::Replace(Frame { payload, ..frame })]
    }
}

impl MeterValues {
    /// Mends as much as fits: all, all but the defaults, or nothing. A larger answer would be a failure of the call,
    /// and the charge point would send the same frame again and again.
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
        Ok(Mended { payload: None, samples: 0, fault: Some("there is no room for the mended values".into()) })
    }

    /// The most bytes of the mended payload.
    fn room(&self, frame: &Frame) -> usize {
        let attributes: usize = frame.attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.config.max_bytes.max((2 * frame.payload.len()).saturating_sub(attributes))
    }
}

/// The result of mending a payload.
struct Mended {
    /// `None`: there was nothing to mend.
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

    /// `None`, and the payload is freed, if it does not fit.
    fn if_fits(self, room: usize) -> Option<Self> {
        self.payload.as_ref().is_none_or(|payload| payload.len() <= room).then_some(self)
    }
}

/// The member of a frame that has the meter values, and how to mend them; `None`: it has none.
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

/// A payload while it is mended.
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
            Some(_) => self.note_fault(format!("{list} is not a list")),
        }
    }

    fn meter_value(&mut self, meter_value: &mut Tree<'_>) {
        if member(meter_value, "timestamp").is_none_or(|timestamp| timestamp.is_null()) {
            self.note_fault("a meter value has no timestamp".into());
        }
        match member(meter_value, "sampledValue") {
            Some(Tree::List(samples)) => samples.iter_mut().for_each(|sample| self.sampled_value(sample)),
            _ => self.note_fault("a meter value has no list of sampled values".into()),
        }
    }

    /// Mends a sampled value as a whole, or not at all.
    fn sampled_value(&mut self, sample: &mut Tree<'_>) {
        let Tree::Object(sample) = sample else {
            return self.note_fault("a sampled value is not an object".into());
        };
        let mut mended = sample.clone();
        match (self.mend)(&mut mended, self.config) {
            Ok(()) if mended != *sample => {
                *sample = mended;
                self.mended += 1;
            }
            Ok(()) => {}
            Err(fault) => self.note_fault(fault.to_string()),
        }
    }

    fn note_fault(&mut self, fault: String) {
        self.fault.get_or_insert(fault);
    }
}

fn member<'t, 'a>(tree: &'t mut Tree<'a>, name: &str) -> Option<&'t mut Tree<'a>> {
    match tree {
        Tree::Object(object) => object.get_mut(name),
        _ => None,
    }
}

/// Logs one line for a frame, as a charge point with a fault repeats it many times.
fn log_fault(frame: &Frame, fault: &str) {
    let action = frame.action.as_deref().unwrap_or_default();
    let fields = [("fault", fault), ("action", action), ("message_id", &frame.id)];
    log(Level::Warn, "meter values were not mended", &fields);
}

export!(MeterValues: Uplink);

#[cfg(test)]
mod tests;
