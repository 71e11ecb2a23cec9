//! Hot swaps that change topics: open CALLs finish on the topics they began on, new messages use the new topics.

use crate::transforms::transform;
use crate::{Running, call_object, configuration, error_code, result_object};
use ocpp_gateway_testkit::TIMEOUT;
use ocpp_gateway_testkit::back_end::BackEnd;
use ocpp_gateway_testkit::broker::{QoS, ScriptedBroker, Seen};
use ocpp_gateway_testkit::charge_point::ChargePoint;
use ocpp_gateway_testkit::guest;
use std::time::Duration;
use tokio::time::timeout;

const SUBSCRIPTIONS: &str = "ocpp_gateway_mqtt_subscriptions";

/// The standard mapping with these settings.
fn standard(settings: &str) -> String {
    format!("[[transforms]]\nname = \"standard\"\ncomponent = \"builtin:standard\"\n[transforms.config]\n{settings}")
}

fn mounted(mount_point: &str) -> String {
    standard(&format!("mountpoint = \"{mount_point}/\""))
}

/// A gateway with a charge point and a back end that is subscribed to the topics of every mount point.
struct Site {
    gateway: Running,
    back_end: BackEnd,
    charge_point: ChargePoint,
    calls: u32,
}

impl Site {
    async fn start(toml: &str) -> Self {
        let gateway = Running::start(toml).await;
        let back_end = BackEnd::listen(gateway.broker(), "+/cp/#").await;
        let charge_point = gateway.charge_point("CP1").await;
        Site { gateway, back_end, charge_point, calls: 0 }
    }

    fn swap(&self, toml: &str) {
        self.gateway.hot_swap.reload(configuration(toml));
    }

    /// Sends a CALL from the charge point. Returns its message id and the topic it was published on.
    async fn call(&mut self) -> (String, String) {
        self.calls += 1;
        let id = format!("up-{}", self.calls);
        self.charge_point.send(&format!(r#"[2,"{id}","Heartbeat",{{}}]"#)).await;
        let (topic, text) = self.back_end.message().await;
        assert_eq!(text, call_object(&id, "Heartbeat", "{}"));
        (id, topic)
    }

    /// Answers CALL `id` from the back end under this mount point, and checks that the charge point receives it.
    async fn answer(&mut self, id: &str, mount_point: &str) {
        self.back_end.publish(&format!("{mount_point}/cs/CP1"), result_object(id, "{}")).await;
        assert_eq!(self.charge_point.text().await, format!(r#"[3,"{id}",{{}}]"#));
    }

    /// Sends a CALL from the back end under this mount point, and checks that the charge point receives it.
    async fn command(&mut self, id: &str, mount_point: &str) {
        self.back_end.publish(&format!("{mount_point}/cs/CP1"), call_object(id, "Reset", "{}")).await;
        assert_eq!(self.charge_point.text().await, format!(r#"[2,"{id}","Reset",{{}}]"#));
    }

    /// Sends CALLs until one is published under this mount point, and answers each.
    async fn wait_until_mounted_at(&mut self, mount_point: &str) {
        let moving = async {
            loop {
                let (id, topic) = self.call().await;
                let (before, _) = topic.split_once('/').expect("a topic of the mapping");
                self.answer(&id, before).await;
                if before == mount_point {
                    break;
                }
            }
        };
        timeout(TIMEOUT, moving).await.expect("the new topics in time");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn open_call_is_answered_on_the_topics_it_was_sent_on() {
    let mut site = Site::start(&mounted("ocpp")).await;
    let (id, topic) = site.call().await;
    assert_eq!(topic, "ocpp/cp/CP1");
    site.swap(&mounted("site"));
    site.gateway.until(SUBSCRIPTIONS, 2.0).await;
    site.answer(&id, "ocpp").await;
    site.wait_until_mounted_at("site").await;
    // Without open CALLs, the old topics are unsubscribed.
    site.gateway.until(SUBSCRIPTIONS, 1.0).await;
    site.command("down", "site").await;
    site.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answer_of_a_charge_point_uses_the_topics_its_call_came_on() {
    let mut site = Site::start(&mounted("ocpp")).await;
    site.command("down-1", "ocpp").await;
    site.swap(&mounted("site"));
    site.wait_until_mounted_at("site").await;
    site.charge_point.send(r#"[3,"down-1",{}]"#).await;
    assert_eq!(site.back_end.expect_on("ocpp/cp/CP1/Reply").await, result_object("down-1", "{}"));
    site.command("down-2", "site").await;
    site.charge_point.send(r#"[3,"down-2",{}]"#).await;
    assert_eq!(site.back_end.expect_on("site/cp/CP1/Reply").await, result_object("down-2", "{}"));
    site.gateway.stop().await;
}

/// A back end may use the old topics for a moment longer.
#[tokio::test(flavor = "multi_thread")]
async fn call_on_old_topics_right_after_a_swap_is_answered_on_them() {
    let mut site = Site::start(&mounted("ocpp")).await;
    site.swap(&mounted("site"));
    site.wait_until_mounted_at("site").await;
    site.command("down", "ocpp").await;
    site.charge_point.send(r#"[3,"down",{}]"#).await;
    site.back_end.expect_on("ocpp/cp/CP1/Reply").await;
    site.gateway.until(SUBSCRIPTIONS, 1.0).await;
    site.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn call_left_open_at_disconnect_is_reported_on_its_own_topics() {
    let mut site = Site::start(&mounted("ocpp")).await;
    site.command("down", "ocpp").await;
    site.swap(&mounted("site"));
    site.wait_until_mounted_at("site").await;
    site.charge_point.close().await;
    let report = site.back_end.expect_on("ocpp/cp/CP1/Reply").await;
    assert!(report.contains(r#""UniqueId":"down""#) && error_code(&report) == "InternalError", "{report}");
    site.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_stay_on_their_topics_when_a_swap_is_reverted() {
    let mut site = Site::start(&mounted("ocpp")).await;
    site.command("down", "ocpp").await;
    let (first, _) = site.call().await;
    site.swap(&mounted("site"));
    let (second, topic) = site.open_call_under("site").await;
    assert_eq!(topic, "site/cp/CP1");
    site.swap(&mounted("ocpp"));
    let (third, topic) = site.open_call_under("ocpp").await;
    assert_eq!(topic, "ocpp/cp/CP1");
    site.answer(&first, "ocpp").await;
    site.answer(&second, "site").await;
    site.answer(&third, "ocpp").await;
    site.charge_point.send(r#"[3,"down",{}]"#).await;
    site.back_end.expect_on("ocpp/cp/CP1/Reply").await;
    site.gateway.until(SUBSCRIPTIONS, 1.0).await;
    site.command("again", "ocpp").await;
    site.gateway.stop().await;
}

/// A mapping with the same subscriptions replaces the previous one at once, including the topics it
/// publishes on. Only the answer to an open CALL goes to the topics of the mapping that received the CALL.
#[tokio::test(flavor = "multi_thread")]
async fn swap_with_unchanged_subscriptions_takes_effect_at_once() {
    let mut site = Site::start(&mounted("ocpp")).await;
    site.command("down", "ocpp").await;
    for round in 0..20 {
        let (topic, reply) = (format!("cp/{round}"), format!("cp/{round}/Reply"));
        let uplink =
            format!("uplink = {{ topic = \"{topic}\", reply_topic = \"{reply}\", error_topic = \"{reply}\" }}");
        site.swap(&standard(&uplink));
        let (id, published_on) = site.call().await;
        assert_eq!(published_on, format!("ocpp/{topic}"));
        site.answer(&id, "ocpp").await;
    }
    assert_eq!(site.gateway.metric(SUBSCRIPTIONS).await, 1.0);
    site.charge_point.send(r#"[3,"down",{}]"#).await;
    site.back_end.expect_on("ocpp/cp/CP1/Reply").await;
    site.command("again", "ocpp").await;
    site.charge_point.send(r#"[3,"again",{}]"#).await;
    site.back_end.expect_on("ocpp/cp/19/Reply").await;
    site.gateway.stop().await;
}

/// While CALLs of eight earlier mappings are open, the charge point stays with the ninth until one of them is answered.
#[tokio::test(flavor = "multi_thread")]
async fn charge_point_keeps_the_ninth_mapping_until_an_older_call_is_answered() {
    let mut site = Site::start(&mounted("mount-0")).await;
    let mut open = Vec::new();
    for number in 0..=8 {
        let mount_point = format!("mount-{number}");
        let (id, topic) = match number {
            0 => site.call().await,
            _ => site.open_call_under(&mount_point).await,
        };
        assert_eq!(topic, format!("{mount_point}/cp/CP1"));
        open.push((id, mount_point));
        site.swap(&mounted(&format!("mount-{}", number + 1)));
    }
    let (id, topic) = site.call().await;
    assert_eq!(topic, "mount-8/cp/CP1");
    site.answer(&id, "mount-8").await;
    assert_eq!(site.gateway.metric(SUBSCRIPTIONS).await, 9.0);
    // Answering any of them frees a generation.
    let (id, mount_point) = open.remove(4);
    site.answer(&id, &mount_point).await;
    site.wait_until_mounted_at("mount-9").await;
    for (id, mount_point) in open {
        site.answer(&id, &mount_point).await;
    }
    site.gateway.until(SUBSCRIPTIONS, 1.0).await;
    site.gateway.stop().await;
}

impl Site {
    /// Sends CALLs until one is published under this mount point, and leaves that one open.
    async fn open_call_under(&mut self, mount_point: &str) -> (String, String) {
        let moving = async {
            loop {
                let (id, topic) = self.call().await;
                match topic.split_once('/') {
                    Some((before, _)) if before == mount_point => return (id, topic),
                    Some((before, _)) => self.answer(&id, before).await,
                    None => panic!("{topic}"),
                }
            }
        };
        timeout(TIMEOUT, moving).await.expect("the new topics in time")
    }
}

/// The stream does not wait for the swaps, which change its topics every 500 messages.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_keeps_its_order_over_swaps_to_other_topics() {
    const MESSAGES: u32 = 5000;
    let gateway = Running::start(&mounted("ocpp")).await;
    let mut back_end = BackEnd::listen(gateway.broker(), "+/cp/#").await;
    let mut charge_point = gateway.charge_point_of("CP1", "ocpp2.1").await;
    let streaming = tokio::spawn(async move {
        for number in 0..MESSAGES {
            charge_point.send(&format!(r#"[6,"{number}","NotifyPeriodicEventStream",{{}}]"#)).await;
            if number % 100 == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        charge_point
    });
    let mut topics = std::collections::BTreeSet::new();
    for number in 0..MESSAGES {
        let (topic, up) = back_end.message().await;
        assert!(up.contains(&format!(r#""UniqueId":"{number}""#)), "{number}: {up}");
        topics.insert(topic);
        if number % 500 == 0 {
            let mount_point = if number % 1000 == 0 { "site" } else { "ocpp" };
            gateway.hot_swap.reload(configuration(&mounted(mount_point)));
        }
    }
    assert_eq!(topics.len(), 2, "{topics:?}");
    streaming.await.expect("no panic").close().await;
    gateway.stop().await;
}

fn subscribes(filter: &'static str) -> impl Fn(&Seen) -> bool {
    move |seen| seen.subscribed().is_some_and(|filters| filters.contains(&filter))
}

/// A gateway with a charge point and a scripted broker.
struct Scripted {
    broker: ScriptedBroker,
    gateway: Running,
    charge_point: ChargePoint,
    calls: u32,
}

impl Scripted {
    /// `confirmed`: whether the broker confirms the subscription of the charge point.
    async fn start(confirmed: bool) -> Self {
        let broker = ScriptedBroker::start().await;
        let gateway = Running::start(&config_with_broker(&broker, "ocpp")).await;
        broker.script(|script| script.acknowledge_subscriptions = confirmed);
        let charge_point = ChargePoint::ocpp16(gateway.ocpp(), "CP1").await;
        broker.seen_by(|seen| seen.iter().any(subscribes("ocpp/cs/CP1"))).await;
        if confirmed {
            gateway.until_subscribed().await;
        }
        Scripted { broker, gateway, charge_point, calls: 0 }
    }

    fn swap(&self, mount_point: &str) {
        self.gateway.hot_swap.reload(configuration(&config_with_broker(&self.broker, mount_point)));
    }

    async fn send_call(&mut self) {
        self.calls += 1;
        self.charge_point.send(&format!(r#"[2,"up-{}.","Heartbeat",{{}}]"#, self.calls)).await;
    }

    /// Waits for the latest CALL at the broker and answers it. Returns its mount point.
    async fn answer_call(&mut self) -> String {
        let id = format!("up-{}.", self.calls);
        let topic = |seen: &Seen| {
            let publish = seen.publish()?;
            String::from_utf8_lossy(&publish.payload).contains(&id).then(|| publish.topic.clone())
        };
        let seen = self.broker.seen_by(|seen| seen.iter().any(|seen| topic(seen).is_some())).await;
        let topic = seen.iter().find_map(topic).expect("seen");
        let mount_point = topic.strip_suffix("/cp/CP1").expect("a topic of the mapping");
        let subscriber = seen.iter().find(|seen| seen.subscribed().is_some()).expect("a subscriber");
        let (topic, answer) = (format!("{mount_point}/cs/CP1"), result_object(&id, "{}"));
        self.broker.inject(&subscriber.client_id, &topic, answer, QoS::AtMostOnce, 0);
        assert_eq!(self.charge_point.text().await, format!(r#"[3,"{id}",{{}}]"#));
        mount_point.to_owned()
    }

    async fn wait_until_mounted_at(&mut self, mount_point: &str) {
        let moving = async {
            loop {
                self.send_call().await;
                if self.answer_call().await == mount_point {
                    break;
                }
            }
        };
        timeout(TIMEOUT, moving).await.expect("the new topics in time");
    }
}

fn config_with_broker(broker: &ScriptedBroker, mount_point: &str) -> String {
    format!("[mqtt]\nurl = \"{}\"\n{}", broker.url(), mounted(mount_point))
}

fn unsubscribes(filter: &'static str) -> impl Fn(&Seen) -> bool {
    move |seen| seen.unsubscribed().is_some_and(|filters| filters.contains(&filter))
}

#[tokio::test(flavor = "multi_thread")]
async fn new_topics_are_not_used_before_the_broker_confirms_them() {
    let mut site = Scripted::start(true).await;
    site.broker.script(|script| script.acknowledge_subscriptions = false);
    site.swap("site");
    site.broker.seen_by(|seen| seen.iter().any(subscribes("site/cs/CP1"))).await;
    site.send_call().await;
    assert_eq!(site.answer_call().await, "ocpp");
    site.broker.script(|script| script.acknowledge_subscriptions = true);
    site.wait_until_mounted_at("site").await;
    site.broker.seen_by(|seen| seen.iter().any(unsubscribes("ocpp/cs/CP1"))).await;
    site.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_point_whose_new_topics_are_refused_stays_on_the_old_ones() {
    let mut site = Scripted::start(true).await;
    site.broker.script(|script| script.refuse = ["site/cs/CP1".to_owned()].into());
    site.swap("site");
    site.broker.seen_by(|seen| seen.iter().any(subscribes("site/cs/CP1"))).await;
    // The refused subscription is counted until the refusal arrives.
    site.gateway.until(SUBSCRIPTIONS, 1.0).await;
    site.send_call().await;
    assert_eq!(site.answer_call().await, "ocpp");
    // The refusal does not affect the next swap.
    site.swap("depot");
    site.wait_until_mounted_at("depot").await;
    site.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn charge_point_that_connects_during_a_swap_gets_the_new_topics() {
    let mut site = Scripted::start(false).await;
    site.swap("site");
    // A message sent before the new topics are confirmed uses the old ones as soon as those are confirmed.
    site.send_call().await;
    site.broker.script(|script| script.acknowledge_subscriptions = true);
    assert_eq!(site.answer_call().await, "ocpp");
    site.wait_until_mounted_at("site").await;
    site.broker.seen_by(|seen| seen.iter().any(unsubscribes("ocpp/cs/CP1"))).await;
    site.gateway.stop().await;
}

/// The connections to the broker are lost while the new subscription is not confirmed yet.
#[tokio::test(flavor = "multi_thread")]
async fn subscription_is_repeated_when_the_broker_reconnects_during_a_swap() {
    let mut site = Scripted::start(true).await;
    site.send_call().await;
    site.broker.script(|script| script.acknowledge_subscriptions = false);
    site.swap("site");
    let requests = |seen: &[Seen]| seen.iter().filter(|seen| subscribes("site/cs/CP1")(seen)).count();
    site.broker.seen_by(|seen| requests(seen) == 1).await;
    site.broker.drop_connections(None);
    site.broker.script(|script| script.acknowledge_subscriptions = true);
    site.broker.seen_by(|seen| requests(seen) == 2).await;
    assert_eq!(site.answer_call().await, "ocpp");
    site.wait_until_mounted_at("site").await;
    site.broker.seen_by(|seen| seen.iter().any(unsubscribes("ocpp/cs/CP1"))).await;
    site.gateway.stop().await;
}

/// A mapping that fails to name the topics of a connected charge point is not used for it and is rolled back.
#[tokio::test(flavor = "multi_thread")]
async fn mapping_that_cannot_name_a_charge_points_topics_is_rolled_back() {
    let gateway = Running::start("").await;
    let mut back_end = gateway.back_end().await;
    // The component fails to name a topic for this identity.
    let mut charge_point = gateway.charge_point("HASH").await;
    let faulty = std::fs::read(guest::build("faulty", env!("CARGO_TARGET_TMPDIR"))).expect("built");
    let put = gateway.request("PUT", "/api/v1/transforms/standard", &faulty).await;
    assert!(put.starts_with("HTTP/1.1 200"), "{put}");
    gateway.until(r#"ocpp_gateway_transform_swaps_total{outcome="rolled_back"}"#, 1.0).await;
    charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
    back_end.expect_on("ocpp/cp/HASH").await;
    back_end.publish("ocpp/cs/HASH", result_object("1", "{}")).await;
    assert_eq!(charge_point.text().await, r#"[3,"1",{}]"#);
    gateway.stop().await;
}

/// The transforms that handled a CALL also handle its answer: only they know the message id of the charge point.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_id_was_changed_is_answered_after_a_swap() {
    let renaming = transform("uplink", "rename", "") + &transform("downlink", "rename back", "");
    let gateway = Running::start(&renaming).await;
    let mut back_end = gateway.back_end().await;
    let mut charge_point = gateway.charge_point("BAD1").await;
    charge_point.send(r#"[2,"1","Heartbeat",{}]"#).await;
    assert_eq!(back_end.expect_on("ocpp/cp/BAD1").await, call_object("new-1", "Heartbeat", "{}"));

    gateway.hot_swap.reload(configuration(""));
    charge_point.send(r#"[2,"2","Heartbeat",{}]"#).await;
    assert_eq!(back_end.expect_on("ocpp/cp/BAD1").await, call_object("2", "Heartbeat", "{}"));
    back_end.publish("ocpp/cs/BAD1", result_object("new-1", "{}")).await;
    assert_eq!(charge_point.text().await, r#"[3,"1",{}]"#);
    back_end.publish("ocpp/cs/BAD1", result_object("2", "{}")).await;
    assert_eq!(charge_point.text().await, r#"[3,"2",{}]"#);
    gateway.stop().await;
}

/// At most eight generations have open CALLs: the next swap waits until one of them has none.
#[tokio::test(flavor = "multi_thread")]
async fn swap_waits_while_calls_of_eight_generations_are_open() {
    let renaming = transform("uplink", "rename", "") + &transform("downlink", "rename back", "");
    let gateway = Running::start(&renaming).await;
    let mut back_end = gateway.back_end().await;
    let mut charge_point = gateway.charge_point("BAD1").await;
    let mut ids = Vec::new();
    for number in 0..12 {
        charge_point.send(&format!(r#"[2,"{number}","Heartbeat",{{}}]"#)).await;
        let call = back_end.expect_on("ocpp/cp/BAD1").await;
        let renamed = call == call_object(&format!("new-{number}"), "Heartbeat", "{}");
        assert_eq!(renamed, number % 2 == 0 || number > 8, "{call}");
        ids.push(if renamed { format!("new-{number}") } else { number.to_string() });
        gateway.hot_swap.reload(configuration(if number % 2 == 0 { "" } else { &renaming }));
    }
    for (number, id) in ids.iter().enumerate() {
        back_end.publish("ocpp/cs/BAD1", result_object(id, "{}")).await;
        assert_eq!(charge_point.text().await, format!(r#"[3,"{number}",{{}}]"#));
    }
    gateway.stop().await;
}
