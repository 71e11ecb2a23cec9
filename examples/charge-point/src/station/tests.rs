//! Sessions with a simulated clock and back end.

use super::*;

/// A station and its simulated time.
struct Sim {
    station: Station,
    now: Instant,
}

impl Sim {
    fn new(version: Version) -> Self {
        let settings = Settings { meter_interval: Duration::from_secs(2), ..Settings::default() };
        Sim { station: Station::new(version, settings), now: Instant::now() }
    }

    /// The next CALL. Advances the time if necessary.
    fn call(&mut self) -> (String, String, Value) {
        loop {
            match self.station.poll(self.now) {
                Output::Send(Frame::Call { id, action, payload }) => return (id, action, payload),
                Output::Wait(until) => self.now = until,
                other => panic!("a CALL was expected, not {other:?}"),
            }
        }
    }

    fn answer(&mut self, id: String, payload: Value) {
        self.station.receive(Frame::Result { id, payload }, self.now);
    }

    /// Takes the next CALL, which must be `action`, and answers it.
    fn expect(&mut self, action: &str, answer: Value) -> Value {
        let (id, sent, payload) = self.call();
        assert_eq!(sent, action, "{payload}");
        self.answer(id, answer);
        payload
    }

    fn boot(&mut self) {
        self.expect("BootNotification", json!({"status": "Accepted", "interval": 60, "currentTime": ""}));
        self.expect("StatusNotification", json!({}));
    }

    fn command(&mut self, action: &str, payload: Value) -> Frame {
        let frame = Frame::Call { id: "c1".to_owned(), action: action.to_owned(), payload };
        self.station.receive(frame, self.now);
        match self.station.poll(self.now) {
            Output::Send(answer) => answer,
            other => panic!("an answer was expected, not {other:?}"),
        }
    }
}

fn accepted() -> Frame {
    Frame::Result { id: "c1".to_owned(), payload: json!({"status": "Accepted"}) }
}

#[test]
fn session_of_1_6_sends_its_messages_in_order() {
    let mut sim = Sim::new(Version::V1_6);
    sim.station.plan_session("TAG".to_owned(), 2);
    sim.boot();
    sim.expect("Authorize", json!({"idTagInfo": {"status": "Accepted"}}));
    assert_eq!(sim.expect("StatusNotification", json!({}))["status"], "Preparing");
    sim.expect("StartTransaction", json!({"transactionId": 7, "idTagInfo": {"status": "Accepted"}}));
    assert_eq!(sim.expect("StatusNotification", json!({}))["status"], "Charging");
    assert_eq!(sim.expect("MeterValues", json!({}))["transactionId"], 7);
    sim.expect("MeterValues", json!({}));
    let stop = sim.expect("StopTransaction", json!({}));
    assert_eq!((&stop["transactionId"], &stop["reason"]), (&json!(7), &json!("Local")));
    assert_eq!(sim.expect("StatusNotification", json!({}))["status"], "Finishing");
    assert_eq!(sim.expect("StatusNotification", json!({}))["status"], "Available");
    assert_eq!(sim.station.poll(sim.now), Output::Finished);
}

#[test]
fn session_of_2_x_sends_its_messages_in_order() {
    let mut sim = Sim::new(Version::V2_1);
    sim.station.plan_session("TAG".to_owned(), 1);
    sim.boot();
    sim.expect("Authorize", json!({"idTokenInfo": {"status": "Accepted"}}));
    assert_eq!(sim.expect("StatusNotification", json!({}))["connectorStatus"], "Occupied");
    for (sequence, event) in ["Started", "Updated", "Ended"].into_iter().enumerate() {
        let sent = sim.expect("TransactionEvent", json!({}));
        assert_eq!((&sent["eventType"], &sent["seqNo"]), (&json!(event), &json!(sequence)));
    }
    assert_eq!(sim.expect("StatusNotification", json!({}))["connectorStatus"], "Available");
    assert_eq!(sim.station.poll(sim.now), Output::Finished);
}

#[test]
fn station_boots_again_until_it_is_accepted() {
    let mut sim = Sim::new(Version::V1_6);
    let start = sim.now;
    sim.expect("BootNotification", json!({"status": "Pending", "interval": 5}));
    sim.expect("BootNotification", json!({"status": "Rejected", "interval": 0}));
    assert_eq!(sim.now - start, Duration::from_secs(5));
    sim.boot();
    assert_eq!(sim.now - start, Duration::from_secs(5) + BOOT_RETRY);
}

#[test]
fn heartbeats_are_sent_at_the_interval_of_the_back_end() {
    let mut sim = Sim::new(Version::V1_6);
    sim.boot();
    let start = sim.now;
    sim.expect("Heartbeat", json!({}));
    assert_eq!(sim.now - start, Duration::from_secs(60));
}

#[test]
fn one_call_is_open_at_a_time_but_answers_do_not_wait() {
    let mut sim = Sim::new(Version::V1_6);
    let (id, ..) = sim.call();
    assert!(matches!(sim.station.poll(sim.now), Output::Wait(_)));
    let answer = sim.command("GetConfiguration", json!({}));
    assert!(matches!(answer, Frame::Result { .. }));
    sim.answer("another".to_owned(), json!({"status": "Accepted"}));
    assert!(matches!(sim.station.poll(sim.now), Output::Wait(_)));
    sim.answer(id, json!({"status": "Accepted"}));
    assert_eq!(sim.call().1, "StatusNotification");
}

#[test]
fn a_call_without_an_answer_is_sent_again_after_a_reconnect() {
    let mut sim = Sim::new(Version::V1_6);
    sim.expect("BootNotification", json!({"status": "Accepted"}));
    assert_eq!(sim.call().1, "StatusNotification");
    sim.station.disconnected();
    sim.expect("StatusNotification", json!({}));
}

#[test]
fn a_reset_ends_the_transaction_and_reboots() {
    let mut sim = Sim::new(Version::V1_6);
    sim.boot();
    assert_eq!(sim.command("RemoteStartTransaction", json!({"idTag": "TAG"})), accepted());
    sim.expect("StatusNotification", json!({}));
    sim.expect("StartTransaction", json!({"transactionId": 1, "idTagInfo": {"status": "Accepted"}}));
    assert_eq!(sim.command("Reset", json!({"type": "Hard"})), accepted());
    sim.expect("StatusNotification", json!({}));
    assert_eq!(sim.expect("StopTransaction", json!({}))["reason"], "HardReset");
    sim.expect("StatusNotification", json!({}));
    sim.expect("StatusNotification", json!({}));
    assert_eq!(sim.station.poll(sim.now), Output::Reboot);
    sim.station.reboot();
    sim.boot();
}

#[test]
fn session_fails_if_the_token_is_refused() {
    let mut sim = Sim::new(Version::V1_6);
    sim.station.plan_session("TAG".to_owned(), 1);
    sim.boot();
    sim.expect("Authorize", json!({"idTagInfo": {"status": "Blocked"}}));
    assert!(matches!(sim.station.poll(sim.now), Output::Failed(_)));
}
