use super::*;
use fastrand::Rng;
use proptest::prelude::*;

fn cp() -> Identity {
    Identity::new("CP1", 48).expect("an identity")
}

fn pair() -> (Claims, Claims) {
    (Claims::new("a"), Claims::new("b"))
}

#[test]
fn the_newest_claim_wins() {
    let (mut a, mut b) = pair();
    let older = a.add(&cp(), 1, 1000);
    assert_eq!(b.receive(&older), ClaimDecision::Nothing);
    let newer = b.add(&cp(), 7, 2000);
    assert_eq!(a.receive(&newer), ClaimDecision::Yield { connection: 1 });
    assert_eq!(a.receive(&newer), ClaimDecision::Nothing, "no longer held");
    assert_eq!(b.receive(&newer), ClaimDecision::Nothing, "the echo of its own");
    assert_eq!((a.held(), b.held()), (vec![], vec![cp()]));
}

#[test]
fn a_claim_that_comes_late_does_not_close_a_newer_connection() {
    let (mut a, mut b) = pair();
    let late = a.add(&cp(), 1, 1000);
    let newer = b.add(&cp(), 1, 2000);
    let ClaimDecision::Repeat(repeated) = b.receive(&late) else {
        panic!("b keeps the charge point and repeats its claim")
    };
    assert_eq!(repeated, newer);
    assert_eq!(a.receive(&repeated), ClaimDecision::Yield { connection: 1 });
}

#[test]
fn latest_claim_wins_even_if_its_clock_is_slow() {
    let (mut a, mut b) = pair();
    let ahead = a.add(&cp(), 1, 90_000);
    assert_eq!(b.receive(&ahead), ClaimDecision::Nothing);
    let newer = b.add(&cp(), 1, 1000);
    assert_eq!(a.receive(&newer), ClaimDecision::Yield { connection: 1 });
}

#[test]
fn equal_numbers_are_decided_by_the_greater_gateway_name() {
    let (mut a, mut b) = pair();
    let (of_a, of_b) = (a.add(&cp(), 1, 1000), b.add(&cp(), 1, 1000));
    assert_eq!(of_a.number, of_b.number);
    assert!(matches!(b.receive(&of_a), ClaimDecision::Repeat(_)));
    assert_eq!(a.receive(&of_b), ClaimDecision::Yield { connection: 1 });
}

#[test]
fn two_connections_to_one_gateway_have_different_numbers() {
    let (mut a, mut b) = pair();
    let first = a.add(&cp(), 1, 1000);
    let second = a.add(&cp(), 2, 1000);
    assert!(second.number > first.number);
    a.remove(&cp(), 1);
    assert_eq!(a.held(), [cp()], "the late end of the first connection does not remove the claim of the second");
    assert_eq!(b.receive(&second), ClaimDecision::Nothing);
    a.remove(&cp(), 2);
    assert_eq!((a.held(), a.repeat(&cp())), (vec![], None));
}

#[test]
fn claim_of_an_earlier_process_with_the_same_name_is_ignored() {
    let mut before = Claims::new("a");
    let stale = before.add(&cp(), 1, 1000);
    let mut after = Claims::new("a");
    after.add(&cp(), 1, 2000);
    assert_eq!(after.receive(&stale), ClaimDecision::Nothing);
    assert_eq!(after.held(), [cp()]);
}

#[test]
fn claims_round_trip_as_json_and_invalid_ones_are_refused() {
    let claim = Claims::new("gateway-1").add(&cp(), 1, 1000);
    let text = r#"{"chargePoint":"CP1","gateway":"gateway-1","number":1000}"#;
    assert_eq!(claim.to_json(), text);
    assert_eq!(Claim::from_json(text.as_bytes()).expect("a claim"), claim);
    for invalid in ["", "{}", "[1]", "\u{0}", r#"{"chargePoint":"CP1","gateway":"b","number":-1}"#] {
        assert!(matches!(Claim::from_json(invalid.as_bytes()), Err(BadClaim::Json(_))), "{invalid}");
    }
    let too_large = r#"{"chargePoint":"CP1","gateway":"b","number":18446744073709551615}"#;
    assert!(matches!(Claim::from_json(too_large.as_bytes()), Err(BadClaim::Number(u64::MAX))));
}

/// Three gateways, whose claims arrive at each of them in a random order: in the end only the gateway that accepted the
/// charge point last holds it.
#[test]
fn last_connection_stays_for_every_order_of_claims() {
    for seed in 0..2000_u64 {
        let mut random = Rng::with_seed(seed);
        let mut gateways: Vec<Claims> = ["a", "b", "c"].map(Claims::new).into();
        // The claims in transit to each gateway, which arrive in any order.
        let mut in_transit: Vec<Vec<Claim>> = vec![vec![]; 3];
        let mut last = 0;
        for visit in 0..4 {
            last = random.usize(..3);
            // Clocks differ by less than the time between two connections, so a claim that has not arrived yet has a
            // lower number.
            let claim = gateways[last].add(&cp(), visit, 1000 * u64::from(visit) + random.u64(..900));
            in_transit.iter_mut().for_each(|inbox| inbox.push(claim.clone()));
            deliver(&mut gateways, &mut in_transit, &mut random, 2);
        }
        deliver(&mut gateways, &mut in_transit, &mut random, usize::MAX);
        let holders: Vec<usize> = (0..3).filter(|&it| !gateways[it].held().is_empty()).collect();
        assert_eq!(holders, [last], "seed {seed}");
    }
}

fn deliver(gateways: &mut [Claims], in_transit: &mut [Vec<Claim>], random: &mut Rng, mut steps: usize) {
    while steps > 0 && in_transit.iter().any(|inbox| !inbox.is_empty()) {
        let to = random.usize(..gateways.len());
        if in_transit[to].is_empty() {
            continue;
        }
        let index = random.usize(..in_transit[to].len());
        let claim = in_transit[to].swap_remove(index);
        if let ClaimDecision::Repeat(claim) = gateways[to].receive(&claim) {
            in_transit.iter_mut().for_each(|inbox| inbox.push(claim.clone()));
        }
        steps -= 1;
    }
}

/// A day in 2026, in milliseconds since 1970.
const NOW: u64 = 1_780_000_000_000;

/// Any number that a claim can have; most are near an edge case: the ends of the range, the present, and half of the
/// range ahead of the present.
fn number() -> impl Strategy<Value = u64> {
    let near = |middle: u64| (0_u64..5000).prop_map(move |offset| (middle + offset).wrapping_sub(2500) & LARGEST);
    prop_oneof![0..=LARGEST, near(0), near(LARGEST), near(NOW), near(NOW + HALF_RANGE)]
}

/// A claim of another gateway to another charge point.
fn foreign(number: u64) -> Claim {
    Claim { charge_point: "CP2".into(), gateway: "x".into(), number }
}

#[test]
fn claim_after_the_largest_number_is_newer() {
    for newest in [LARGEST, LARGEST - 1, 0, NOW + HALF_RANGE - 1, NOW + HALF_RANGE, NOW + HALF_RANGE + 1] {
        let (mut a, mut b) = pair();
        let hostile = Claim { charge_point: "CP1".into(), ..foreign(newest) };
        a.receive(&hostile);
        b.receive(&hostile);
        // The gateway with the greater name must not win every time.
        for now in NOW..NOW + 10 {
            let of_b = b.add(&cp(), 1, now);
            assert!(of_b.number <= LARGEST);
            a.receive(&of_b);
            let of_a = a.add(&cp(), 1, now);
            assert_eq!(b.receive(&of_a), ClaimDecision::Yield { connection: 1 }, "after {newest}");
        }
    }
}

proptest! {
    #[test]
    fn both_gateways_agree_which_of_two_claims_is_newer(first in number(), second in number()) {
        let claims = |gateway: &str, number| {
            let mut claims = Claims::new(gateway);
            claims.newest = number;
            claims.held.insert(cp(), OwnClaim { connection: 1, number });
            claims
        };
        let (mut a, mut b) = (claims("a", first), claims("b", second));
        let (of_a, of_b) = (a.repeat(&cp()).expect("held"), b.repeat(&cp()).expect("held"));
        let (on_a, on_b) = (a.receive(&of_b), b.receive(&of_a));
        prop_assert_ne!(matches!(on_a, ClaimDecision::Yield { .. }), matches!(on_b, ClaimDecision::Yield { .. }));
        prop_assert_ne!(matches!(on_a, ClaimDecision::Repeat(_)), matches!(on_b, ClaimDecision::Repeat(_)));
    }

    /// After any foreign claims, gateways stop repeating claims, and at most one of them holds the charge point.
    #[test]
    fn repeated_claims_end_with_at_most_one_holder(received in prop::collection::vec(number(), 3), seed: u64) {
        let mut random = Rng::with_seed(seed);
        let mut gateways: Vec<Claims> = ["a", "b", "c"].map(Claims::new).into();
        let mut in_transit: Vec<Vec<Claim>> = vec![vec![]; 3];
        for (gateway, number) in gateways.iter_mut().zip(received) {
            gateway.receive(&foreign(number));
            let claim = gateway.add(&cp(), 1, NOW + random.u64(..1000));
            in_transit.iter_mut().for_each(|inbox| inbox.push(claim.clone()));
        }
        // Each claim may be answered by two other gateways with a repeat, which three gateways receive.
        deliver(&mut gateways, &mut in_transit, &mut random, 100);
        prop_assert!(in_transit.iter().all(Vec::is_empty), "claims are still repeated");
        prop_assert!(gateways.iter().filter(|gateway| !gateway.held().is_empty()).count() <= 1);
    }

    /// A claim with any number, received by some or all gateways, does not lock a charge point out: if its connection
    /// is closed in favour of an older one, the next connection stays.
    #[test]
    fn charge_point_connects_within_two_attempts_whatever_was_claimed(
        hostile in number(),
        received_by in prop::array::uniform2(any::<bool>()),
        first in 0..2_usize,
    ) {
        let mut gateways = [Claims::new("a"), Claims::new("b")];
        for (gateway, received) in gateways.iter_mut().zip(received_by) {
            gateway.add(&Identity::new("CP3", 48).expect("an identity"), 1, NOW);
            if received {
                gateway.receive(&foreign(hostile));
            }
        }
        let mut now = NOW;
        for visit in 0..8 {
            let (here, there) = ((first + visit) % 2, (first + visit + 1) % 2);
            let attempts = (1..5).find(|_| {
                now += 1000;
                // Clocks are a second apart.
                let claim = gateways[here].add(&cp(), 1, now + 1000 * here as u64);
                gateways[here].receive(&claim);
                if let ClaimDecision::Repeat(older) = gateways[there].receive(&claim) {
                    gateways[here].receive(&older);
                    gateways[there].receive(&older);
                }
                gateways[there].repeat(&cp()).is_none()
            });
            prop_assert!(attempts.is_some_and(|attempts| attempts <= 2), "{attempts:?} at visit {visit}");
        }
    }
}
