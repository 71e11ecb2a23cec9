//! What each message of a test has come to.

use crate::program::Counters;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

/// What a charge point's CALL has come to, as the charge point sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CallFate {
    Answered,
    /// The description of the CALLERROR.
    Failed(String),
    /// The connection ended first.
    Broken,
}

/// All messages, by message id.
#[derive(Debug, Default)]
pub(crate) struct DeliveryEntries {
    /// CALLs that charge points have sent, and what came back.
    pub(crate) sent: BTreeMap<String, Vec<CallFate>>,
    /// Those of them that the back end has got, and those that it has answered.
    pub(crate) got: BTreeSet<String>,
    pub(crate) replied: BTreeSet<String>,
    /// Error objects about answers of the back end: how many there were.
    pub(crate) returned: BTreeMap<String, Vec<String>>,
    /// CALLs that the back end has published, and what came back: `None` for a result, or the description of the error
    /// object.
    pub(crate) published: BTreeMap<String, Vec<Option<String>>>,
    /// Those of them that charge points have got, and answered.
    pub(crate) taken: BTreeSet<String>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct DeliveryLog(Arc<Mutex<DeliveryEntries>>);

impl DeliveryLog {
    pub(crate) fn book(&self) -> MutexGuard<'_, DeliveryEntries> {
        self.0.lock().expect("not poisoned")
    }

    pub(crate) fn answered(&self) -> usize {
        let book = self.book();
        book.sent.values().filter(|outcomes| outcomes.contains(&CallFate::Answered)).count()
            + book.published.values().filter(|outcomes| outcomes.contains(&None)).count()
    }

    /// CALLs of the back end that have come to nothing yet.
    pub(crate) fn open_downlinks(&self) -> BTreeSet<String> {
        let book = self.book();
        book.published.iter().filter(|(_, outcomes)| outcomes.is_empty()).map(|(id, _)| id.clone()).collect()
    }
}

const NO_ANSWER_FROM_BACK_END: &str = "no answer from the back end within";
const NOT_OPEN: &str = "no open CALL of the charge point has this id";

/// What error objects say, and under which cause of a downlink incident each is counted.
const REPORTS: [(&str, &str); 10] = [
    ("no answer from the charge point", "timed_out"),
    ("not sent: earlier CALLs were still open", "timed_out"),
    ("CALLs are waiting for this charge point", "queue_full"),
    ("too many messages wait for this charge point", "queue_full"),
    ("the messages that wait take as much memory as they may", "queue_full"),
    ("disconnected", "disconnected"),
    ("the charge point is not connected", "disconnected"),
    ("the gateway is stopping", "disconnected"),
    ("a CALL with this id is open or waiting", "id_in_use"),
    (NOT_OPEN, "unknown_call"),
];

fn cause(description: &str) -> &'static str {
    let known = REPORTS.iter().find(|(text, _)| description.contains(text));
    known.unwrap_or_else(|| panic!("not a report of the gateway: {description}")).1
}

impl DeliveryEntries {
    fn outcomes(&self, wanted: impl Fn(&CallFate) -> bool) -> usize {
        self.sent.values().flatten().filter(|outcome| wanted(outcome)).count()
    }

    /// Every CALL of a charge point was answered once, with a result or an error, unless `broken` allows for connections
    /// that ended.
    pub(crate) fn each_uplink_call_is_answered(&self, broken: bool) {
        for (id, outcomes) in &self.sent {
            assert_eq!(outcomes.len(), 1, "{id}: {outcomes:?}");
            match &outcomes[0] {
                CallFate::Answered => assert!(self.got.contains(id), "{id} was answered by nobody"),
                CallFate::Failed(text) => assert!(text.contains(NO_ANSWER_FROM_BACK_END), "{id}: {text}"),
                CallFate::Broken => assert!(broken, "{id}: the connection broke"),
            }
        }
    }

    /// Every CALL of the back end was answered by its charge point, or reported; `except` those. And not both, but for
    /// `again`: so many messages the back end has sent a second time, as it could not know that the broker had them.
    pub(crate) fn each_downlink_call_is_answered_or_reported(&self, except: &BTreeSet<String>, again: usize) {
        let mut surplus = Vec::new();
        for (id, outcomes) in &self.published {
            let distinct: BTreeSet<_> = outcomes.iter().collect();
            assert!(!distinct.is_empty() || except.contains(id), "{id} came to nothing");
            if distinct.len() > 1 {
                surplus.push((id, outcomes));
            }
            if outcomes.contains(&None) {
                assert!(self.taken.contains(id), "{id} was answered by nobody");
            }
        }
        assert!(surplus.len() <= again, "{surplus:?}");
    }

    /// CALLs of charge points whose connection ended.
    pub(crate) fn broken(&self) -> BTreeSet<String> {
        let broken = self.sent.iter().filter(|(_, outcomes)| outcomes.contains(&CallFate::Broken));
        broken.map(|(id, _)| id.clone()).collect()
    }

    /// Every answer of the back end has arrived at one end or the other.
    pub(crate) fn is_balanced(&self, metrics: &Counters) -> bool {
        let answered = self.outcomes(|outcome| *outcome == CallFate::Answered);
        self.replied.len() <= answered + self.returned.len() + metrics.incidents("downlink", "duplicate")
    }

    /// Each CALL that a charge point was told to have failed has been counted.
    pub(crate) fn failures_agree_with(&self, metrics: &Counters) {
        let failed = self.outcomes(|outcome| matches!(outcome, CallFate::Failed(_)));
        assert_eq!(metrics.incidents("uplink", "timed_out"), failed, "{metrics:?}");
    }

    /// The gateway has counted what came to its ends, no more and no less, but for `again`: see above.
    pub(crate) fn agrees_with(&self, metrics: &Counters, again: usize) {
        assert_eq!(metrics.get(r#"messages_total{direction="uplink",type="CALL"}"#), self.sent.len());
        self.failures_agree_with(metrics);

        // What the back end did not get was given up by the gateway; what was may have got there all the same.
        let missing = self.sent.keys().filter(|id| !self.got.contains(*id)).count();
        assert!(missing <= metrics.lost("CALL"), "{missing} did not arrive\n{metrics:?}");

        // Each answer of the back end has reached its charge point or come back.
        let answered = self.outcomes(|outcome| *outcome == CallFate::Answered);
        let twice = metrics.incidents("downlink", "duplicate");
        let (replied, arrived) = (self.replied.len(), answered + self.returned.len());
        assert!(arrived <= replied + again && replied <= arrived + twice, "{replied} {arrived} {twice}\n{metrics:?}");

        let mut reports: BTreeMap<&str, usize> = BTreeMap::new();
        let descriptions = self.published.values().flatten().flatten().chain(self.returned.values().flatten());
        descriptions.for_each(|description| *reports.entry(cause(description)).or_default() += 1);
        for cause in ["timed_out", "queue_full", "disconnected", "id_in_use", "unknown_call"] {
            let reported = reports.get(cause).copied().unwrap_or(0);
            let counted = metrics.incidents("downlink", cause);
            assert!((reported..=reported + again).contains(&counted), "{cause}: {reports:?}\n{metrics:?}");
        }
        for kind in ["CALLRESULT", "CALLERROR", "report", "unknown"] {
            assert_eq!(metrics.lost(kind), 0, "{kind}\n{metrics:?}");
        }
        assert_eq!((metrics.get("mqtt_backlog"), metrics.get("mqtt_in_flight")), (0, 0));
        assert_eq!(metrics.get("mqtt_unconfirmed_total"), 0);
    }
}
