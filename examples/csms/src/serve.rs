//! Answers the CALLs of charge points, and sends commands from standard input.

use crate::answers::Csms;
use crate::broker::Broker;
use crate::message::{Body, Message, Payload};
use crate::send;
use anyhow::Result;
use rumqttc::{AsyncClient, Event, Packet, Publish, QoS};
use serde_json::json;
use serde_json::value::to_raw_value;
use std::process::ExitCode;
use std::time::Duration;

const RECONNECT_WAIT: Duration = Duration::from_secs(1);

/// Runs until it is stopped. While the broker is away, it tries to reconnect.
pub(crate) async fn run(broker: &Broker) -> Result<ExitCode> {
    let (client, mut events) = broker.client("serve");
    read_commands(client.clone(), broker.downlink(""));
    let mut csms = Csms::default();
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                client.try_subscribe(broker.uplink_filter(), QoS::AtLeastOnce)?;
                println!("connected to {broker}; commands look like: chargePointSim Reset {{\"type\":\"Soft\"}}");
            }
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                if let Err(problem) = handle(&mut csms, broker, &client, &publish) {
                    println!("{}: {problem:#}", publish.topic);
                }
            }
            Ok(_) => {}
            Err(error) => {
                println!("no broker at {broker}: {error}");
                tokio::time::sleep(RECONNECT_WAIT).await;
            }
        }
    }
}

fn handle(csms: &mut Csms, broker: &Broker, client: &AsyncClient, publish: &Publish) -> Result<()> {
    let charge_point = broker.charge_point(&publish.topic).unwrap_or_default();
    let message = Message::parse(&publish.payload)?;
    println!("{charge_point} → {message}");
    let Body::Call { action, payload } = message.body else { return Ok(()) };

    let answer = match csms.answer(&action, &serde_json::from_str(payload.get())?) {
        Ok(payload) => Body::Result { payload: to_raw_value(&payload)? },
        Err(_) => Body::Error {
            code: "NotImplemented".to_owned(),
            description: format!("{action} is not implemented here"),
            details: to_raw_value(&json!({}))?,
        },
    };
    let answer = Message { id: message.id, body: answer };
    println!("{charge_point} ← {answer}");
    // `try_`, since waiting for the queue here would keep the loop from emptying it.
    client.try_publish(broker.downlink(charge_point), QoS::AtLeastOnce, false, answer.encode()?)?;
    Ok(())
}

/// Publishes a CALL for each line of standard input: charge point, action, and a payload if there is one.
fn read_commands(client: AsyncClient, downlink: String) {
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok).filter(|line| !line.trim().is_empty()) {
            let published = command(&line).and_then(|(charge_point, call)| {
                println!("{charge_point} ← {call}");
                Ok(client.try_publish(format!("{downlink}{charge_point}"), QoS::AtLeastOnce, false, call.encode()?)?)
            });
            if let Err(problem) = published {
                println!("{problem:#}");
            }
        }
    });
}

fn command(line: &str) -> Result<(String, Message)> {
    let mut words = line.trim().splitn(3, ' ');
    let charge_point = words.next().unwrap_or_default().to_owned();
    let action = words.next().ok_or_else(|| anyhow::anyhow!("a command is: charge point, action, payload"))?;
    let payload: Payload = serde_json::from_str(words.next().unwrap_or("{}"))?;
    Ok((charge_point, send::call(action, payload)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_is_parsed_as_a_command() {
        let (charge_point, call) = command(r#"CP1 Reset {"type": "Soft"}"#).expect("a command");
        assert_eq!(charge_point, "CP1");
        assert_eq!(call.to_string(), r#"CALL   Reset {"type": "Soft"}"#);
        let (_, call) = command("CP1 ClearCache").expect("a command");
        assert_eq!(call.to_string(), "CALL   ClearCache {}");
        assert!(command("CP1").is_err());
        assert!(command("CP1 Reset {").is_err());
    }
}
