//! A charge point that sends CALLs at an interval without waiting for answers, and answers CALLs.

use super::tally::Tally;
use crate::charge_point::{ChargePoint, Gateway, Socket};
use anyhow::Result;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval_at};
use tokio_tungstenite::tungstenite::Message;

pub(super) struct Station {
    id: String,
    socket: Socket,
    tally: Tally,
    calls: u64,
    /// The times at which open CALLs were sent, by message id.
    open: HashMap<String, Instant>,
    /// The number of the latest CALL of the back end.
    latest_command: Option<u64>,
}

impl Station {
    pub(super) async fn connect(gateway: &Gateway, index: usize, tally: &Tally) -> Result<Self> {
        let (id, socket) = ChargePoint::connect(gateway, index).await?.into_parts();
        Ok(Station { id, socket, tally: tally.clone(), calls: 0, open: HashMap::new(), latest_command: None })
    }

    /// Sends CALLs while `calling` is true, the first after `delay`. Ends with the connection.
    pub(super) async fn run(mut self, delay: Duration, interval: Duration, mut calling: watch::Receiver<bool>) {
        let mut due = interval_at((Instant::now() + delay).into(), interval);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let calls = *calling.borrow_and_update();
            let text = tokio::select! {
                _ = due.tick(), if calls => self.call(),
                Ok(()) = calling.changed() => continue,
                message = self.socket.next() => match message {
                    Some(Ok(Message::Text(text))) => match self.handle(&text) {
                        Some(answer) => answer,
                        None => continue,
                    },
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                    Some(Ok(_) | Err(_)) | None => return,
                },
            };
            if self.socket.send(Message::text(text)).await.is_err() {
                return;
            }
        }
    }

    fn call(&mut self) -> String {
        self.calls += 1;
        let id = format!("{}-{}", self.id, self.calls);
        let frame = format!(r#"[2,"{id}","Heartbeat",{{}}]"#);
        self.open.insert(id, Instant::now());
        self.tally.counts().from_charge_points.sent();
        frame
    }

    /// Handles a message. Returns the answer if it is a CALL.
    fn handle(&mut self, text: &str) -> Option<String> {
        if let Ok((2, id, _, _)) = serde_json::from_str::<(u8, &str, &str, &RawValue)>(text) {
            let number = id.rsplit('-').next().and_then(|number| number.parse::<u64>().ok());
            let mut counts = self.tally.counts();
            let side = &mut counts.from_back_end;
            side.repeated += u64::from(number == self.latest_command);
            side.disordered += u64::from(number < self.latest_command);
            self.latest_command = self.latest_command.max(number);
            return Some(format!(r#"[3,"{id}",{{"status":"Accepted"}}]"#));
        }
        let frame: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
        let id: &str = frame.get(1).and_then(|id| serde_json::from_str(id.get()).ok()).unwrap_or_default();
        let result = frame.first().is_some_and(|kind| kind.get() == "3");
        let after = self.open.remove(id).map(|sent| sent.elapsed());
        self.tally.counts().from_charge_points.answered(result, after);
        None
    }
}
