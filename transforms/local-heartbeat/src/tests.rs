use super::*;
use ocpp_transform::testing::{call, counter, peer, set_clock};

/// 2026-01-02T03:04:05.678Z
const NOW_MS: u64 = 1_767_323_045_678;

fn transform(config: &str) -> LocalHeartbeat {
    LocalHeartbeat::configure(config).expect(config)
}

fn heartbeat(transform: &LocalHeartbeat, id: &str) -> Vec<FrameAction> {
    transform.handle(&peer(id), call("1", "Heartbeat", "{}"))
}

fn answer(current_time: &str) -> Vec<FrameAction> {
    vec![FrameAction::Reply(format!(r#"{{"currentTime":"{current_time}"}}"#))]
}

#[test]
fn answer_has_the_current_time() {
    let transform = transform(r#"{"forward_every_s":0}"#);
    for (unix_ms, text) in [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_400_001, "2000-02-29T00:00:00.001Z"),
        (NOW_MS, "2026-01-02T03:04:05.678Z"),
        (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
    ] {
        set_clock(unix_ms);
        assert_eq!(heartbeat(&transform, "CP1"), answer(text));
    }
    assert_eq!(counter("heartbeats_answered"), 4);
}

#[test]
fn one_heartbeat_of_each_charge_point_is_forwarded_per_interval() {
    let (one, another) = (transform(r#"{"forward_every_s":60}"#), transform(r#"{"forward_every_s":60}"#));
    set_clock(NOW_MS);
    assert_eq!(heartbeat(&one, "CP1"), [FrameAction::Pass]);
    assert_eq!(heartbeat(&one, "CP1"), answer("2026-01-02T03:04:05.678Z"));
    assert_eq!(heartbeat(&another, "CP1"), answer("2026-01-02T03:04:05.678Z"), "instances agree");
    assert_eq!(heartbeat(&another, "CP2"), [FrameAction::Pass]);
    set_clock(NOW_MS + 59_999);
    assert_eq!(heartbeat(&another, "CP1"), answer("2026-01-02T03:05:05.677Z"));
    set_clock(NOW_MS + 60_000);
    assert_eq!(heartbeat(&another, "CP1"), [FrameAction::Pass]);
    assert_eq!(heartbeat(&one, "CP1"), answer("2026-01-02T03:05:05.678Z"));
}

#[test]
fn heartbeats_are_forwarded_once_an_hour_by_default() {
    assert_eq!(transform("{}").config, Config { forward_every_s: 3600 });
}

#[test]
fn other_frames_pass() {
    let transform = transform(r#"{"forward_every_s":0}"#);
    let result = Frame::new(FrameType::CallResult, "1", Some("Heartbeat".into()), "{}");
    for frame in [call("1", "BootNotification", "{}"), call("1", "heartbeat", "{}"), result] {
        assert_eq!(transform.handle(&peer("CP1"), frame), [FrameAction::Pass]);
    }
}

#[test]
fn error_of_a_wrong_setting_begins_with_its_key() {
    for (config, key) in [
        (r#"{"forward_every":60}"#, "forward_every"),
        (r#"{"forward_every_s":-1}"#, "forward_every_s"),
        (r#"{"forward_every_s":"1h"}"#, "forward_every_s"),
    ] {
        let error = LocalHeartbeat::configure(config).err().expect(config);
        assert!(error.starts_with(key), "{config}: {error}");
    }
}
