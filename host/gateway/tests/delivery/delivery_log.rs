//! The outcome of each message of a test.

use crate::program::Counters;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

/// The outcome of a charge point's CALL, as the charge point sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CallOutcome {
    Answered,
    /// The description of the CALLERROR.
    Failed(String),
    /// The connection ended first.
    Disconnected,
}

/// All messages, by message id.
#[derive(Debug, Default)]
pub(crate) struct DeliveryEntries {
    /// CALLs sent by charge points, with their outcomes.
    pub(crate) sent: BTreeMap<String, Vec<CallOutcome>>,
    /// CALLs of charge points that the back end has received, and those that it has answered.
    pub(crate) received: BTreeSet<String>,
    pub(crate) replied: BTreeSet<String>,
    /// Error objects about answers of the back end: their descriptions.
    pub(crate) returned: BTreeMap<String, Vec<String>>,
    /// CALLs published by the back end, with their outcomes: `None` for a result, or the description of the error
    /// object.
    pub(crate) published: BTreeMap<String, Vec<Option<String>>>,
    /// CALLs of the back end that charge points have received and answered.
    pub(crate) delivered: BTreeSet<String>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct DeliveryLog(Arc<Mutex<DeliveryEntries>>);

impl DeliveryLog {
    pub(crate) fn entries(&self) -> MutexGuard<'_, DeliveryEntries> {
        self.0.lock().expect("not poisoned")
    }

    pub(crate) fn answered(&self) -> usize {
        let entries = self.entries();
        entries.sent.values().filter(|outcomes| outcomes.contains(&CallOutcome::Answered)).count()
            + entries.published.values().filter(|outcomes| outcomes.contains(&None)).count()
    }

    /// CALLs of the back end without an outcome.
    pub(crate) fn open_downlinks(&self) -> BTreeSet<String> {
        let entries = self.entries();
        entries.published.iter().filter(|(_, outcomes)| outcomes.is_empty()).map(|(id, _)| id.clone()).collect()
    }
}

const NO_ANSWER_FROM_BACK_END: &str = "no answer from the back end within";
const NOT_OPEN: &str = "no open CALL of the charge point has this id";

/// Descriptions of error objects, and the cause of the downlink incident that each is counted under.
const REPORTS: [(&str, &str); 10] = [
    ("no answer from the charge point", "timed_out"),
    ("not sent: earlier CALLs were still open", "timed_out"),
    ("CALLs are waiting for this charge point", "queue_full"),
    ("too many messages are queued for this charge point", "queue_full"),
    ("the memory for queued messages is full", "queue_full"),
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
    fn outcomes(&self, wanted: impl Fn(&CallOutcome) -> bool) -> usize {
        self.sent.values().flatten().filter(|outcome| wanted(outcome)).count()
    }

    /// Every CALL of a charge point was answered once, with a result or an error. `may_disconnect`: or its connection
    /// ended first.
    pub(crate) fn assert_uplink_calls_answered(&self, may_disconnect: bool) {
        for (id, outcomes) in &self.sent {
            assert_eq!(outcomes.len(), 1, "{id}: {outcomes:?}");
            match &outcomes[0] {
                CallOutcome::Answered => assert!(self.received.contains(id), "{id} has an answer that was not sent"),
                CallOutcome::Failed(text) => assert!(text.contains(NO_ANSWER_FROM_BACK_END), "{id}: {text}"),
                CallOutcome::Disconnected => assert!(may_disconnect, "{id}: the connection ended"),
            }
        }
    }

    /// Every CALL of the back end, `except` these, was answered by its charge point or reported. At most `resent` have
    /// more than one outcome: the number of messages that the back end sent twice for lack of an acknowledgement.
    pub(crate) fn assert_downlink_calls_answered_or_reported(&self, except: &BTreeSet<String>, resent: usize) {
        let mut surplus = Vec::new();
        for (id, outcomes) in &self.published {
            let distinct: BTreeSet<_> = outcomes.iter().collect();
            assert!(!distinct.is_empty() || except.contains(id), "{id} has no outcome");
            if distinct.len() > 1 {
                surplus.push((id, outcomes));
            }
            if outcomes.contains(&None) {
                assert!(self.delivered.contains(id), "{id} has an answer that was not sent");
            }
        }
        assert!(surplus.len() <= resent, "{surplus:?}");
    }

    /// Ids of the CALLs of charge points whose connection ended before the answer.
    pub(crate) fn disconnected(&self) -> BTreeSet<String> {
        let disconnected = self.sent.iter().filter(|(_, outcomes)| outcomes.contains(&CallOutcome::Disconnected));
        disconnected.map(|(id, _)| id.clone()).collect()
    }

    /// Whether every answer of the back end has arrived at its charge point or has been reported to the back end.
    pub(crate) fn all_answers_arrived(&self, metrics: &Counters) -> bool {
        let answered = self.outcomes(|outcome| *outcome == CallOutcome::Answered);
        self.replied.len() <= answered + self.returned.len() + metrics.incidents("downlink", "duplicate")
    }

    /// The counter of timeouts equals the number of CALLs that were answered with an error.
    pub(crate) fn assert_failures_counted(&self, metrics: &Counters) {
        let failed = self.outcomes(|outcome| matches!(outcome, CallOutcome::Failed(_)));
        assert_eq!(metrics.incidents("uplink", "timed_out"), failed, "{metrics:?}");
    }

    /// The counters of the gateway match the recorded outcomes, up to `resent` messages sent twice.
    pub(crate) fn assert_counters_match(&self, metrics: &Counters, resent: usize) {
        assert_eq!(metrics.get(r#"messages_total{direction="uplink",type="CALL"}"#), self.sent.len());
        self.assert_failures_counted(metrics);

        // The gateway counts as lost what the back end did not receive. A message counted as lost may have arrived.
        let missing = self.sent.keys().filter(|id| !self.received.contains(*id)).count();
        assert!(missing <= metrics.lost("CALL"), "{missing} did not arrive\n{metrics:?}");

        // Each answer of the back end was delivered to its charge point or reported.
        let answered = self.outcomes(|outcome| *outcome == CallOutcome::Answered);
        let duplicates = metrics.incidents("downlink", "duplicate");
        let (replied, arrived) = (self.replied.len(), answered + self.returned.len());
        assert!(
            arrived <= replied + resent && replied <= arrived + duplicates,
            "{replied} {arrived} {duplicates}\n{metrics:?}"
        );

        let mut reports: BTreeMap<&str, usize> = BTreeMap::new();
        let descriptions = self.published.values().flatten().flatten().chain(self.returned.values().flatten());
        descriptions.for_each(|description| *reports.entry(cause(description)).or_default() += 1);
        for cause in ["timed_out", "queue_full", "disconnected", "id_in_use", "unknown_call"] {
            let reported = reports.get(cause).copied().unwrap_or(0);
            let counted = metrics.incidents("downlink", cause);
            assert!((reported..=reported + resent).contains(&counted), "{cause}: {reports:?}\n{metrics:?}");
        }
        for kind in ["CALLRESULT", "CALLERROR", "report", "unknown"] {
            assert_eq!(metrics.lost(kind), 0, "{kind}\n{metrics:?}");
        }
        assert_eq!((metrics.get("mqtt_backlog"), metrics.get("mqtt_in_flight")), (0, 0));
        assert_eq!(metrics.get("mqtt_unconfirmed_total"), 0);
    }
}
