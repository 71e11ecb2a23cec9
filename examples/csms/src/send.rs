//! One CALL to a charge point, and its answer.

use crate::broker::Broker;
use crate::message::{Body, Message, Payload};
use anyhow::{Context as _, Result};
use clap::Args;
use rumqttc::{Event, Packet, QoS};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::timeout;

#[derive(Args)]
pub(crate) struct SendArgs {
    charge_point: String,
    action: String,
    /// JSON text
    #[arg(default_value = "{}")]
    payload: String,
    /// How long to wait for the answer; after 30 s the gateway reports that the charge point did not answer
    #[arg(long, value_parser = humantime::parse_duration, default_value = "35s")]
    timeout: Duration,
}

/// Exits with 0 for a result, 1 for an error or no answer.
pub(crate) async fn run(broker: &Broker, args: SendArgs) -> Result<ExitCode> {
    let payload: Payload = serde_json::from_str(&args.payload).context("the payload is not JSON")?;
    let call = call(&args.action, payload);
    let answer = timeout(args.timeout, exchange(broker, &args.charge_point, call));
    let answer = answer.await.with_context(|| format!("no answer from {}", args.charge_point))??;
    println!("{answer}");
    Ok(if matches!(answer.body, Body::Result { .. }) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A CALL with a unique id.
pub(crate) fn call(action: &str, payload: Payload) -> Message {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Message { id: format!("csms-{}", now.as_nanos()), body: Body::Call { action: action.to_owned(), payload } }
}

/// Subscribes to the answers, then publishes the CALL and waits for its answer.
async fn exchange(broker: &Broker, charge_point: &str, call: Message) -> Result<Message> {
    let (client, mut events) = broker.client("send");
    client.try_subscribe(broker.replies(charge_point), QoS::AtLeastOnce)?;
    let id = call.id.clone();
    let mut call = Some(call.encode()?);
    loop {
        match events.poll().await.with_context(|| format!("no broker at {broker}"))? {
            Event::Incoming(Packet::SubAck(_)) => {
                if let Some(call) = call.take() {
                    client.try_publish(broker.downlink(charge_point), QoS::AtLeastOnce, false, call)?;
                }
            }
            Event::Incoming(Packet::Publish(publish)) => {
                if let Ok(answer) = Message::parse(&publish.payload)
                    && answer.id == id
                {
                    // An error is ignored: the answer is here, and nothing else is expected.
                    let _ = client.try_disconnect();
                    return Ok(answer);
                }
            }
            _ => {}
        }
    }
}
