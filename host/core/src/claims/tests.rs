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
    let older = a.enter(&cp(), 1, 1000);
    assert_eq!(b.receive(&older), ClaimDecision::Nothing);
    let newer = b.enter(&cp(), 7, 2000);
    assert_eq!(a.receive(&newer), ClaimDecision::Yield { connection: 1 });
    assert_eq!(a.receive(&newer), ClaimDecision::Nothing, "it is gone");
    assert_eq!(b.receive(&newer), ClaimDecision::Nothing, "the echo of its own");
    assert_eq!((a.held(), b.held()), (vec![], vec![cp()]));
}

#[test]
fn a_claim_that_comes_late_does_not_close_a_newer_connection() {
    let (mut a, mut b) = pair();
    let late = a.enter(&cp(), 1, 1000);
    let newer = b.enter(&cp(), 1, 2000);
    let ClaimDecision::Repeat(repeated) = b.receive(&late) else { panic!("b keeps it and says so") };
    assert_eq!(repeated, newer);
    assert_eq!(a.receive(&repeated), ClaimDecision::Yield { connection: 1 });
}

#[test]
fn a_slow_clock_does_not_lose_what_came_last() {
    let (mut a, mut b) = pair();
    let ahead = a.enter(&cp(), 1, 90_000);
    assert_eq!(b.receive(&ahead), ClaimDecision::Nothing);
    let newer = b.enter(&cp(), 1, 1000);
    assert_eq!(a.receive(&newer), ClaimDecision::Yield { connection: 1 });
}

#[test]
fn ties_go_to_the_greater_name_on_both_sides() {
    let (mut a, mut b) = pair();
    let (of_a, of_b) = (a.enter(&cp(), 1, 1000), b.enter(&cp(), 1, 1000));
    assert_eq!(of_a.number, of_b.number);
    assert!(matches!(b.receive(&of_a), ClaimDecision::Repeat(_)));
    assert_eq!(a.receive(&of_b), ClaimDecision::Yield { connection: 1 });
}

#[test]
fn two_connections_to_one_gateway_have_different_numbers() {
    let (mut a, mut b) = pair();
    let first = a.enter(&cp(), 1, 1000);
    let second = a.enter(&cp(), 2, 1000);
    assert!(second.number > first.number);
    a.leave(&cp(), 1);
    assert_eq!(a.held(), [cp()], "the late end of the first leaves the second its claim");
    assert_eq!(b.receive(&second), ClaimDecision::Nothing);
    a.leave(&cp(), 2);
    assert_eq!((a.held(), a.repeat(&cp())), (vec![], None));
}

#[test]
fn a_claim_of_an_earlier_process_of_the_same_name_does_nothing() {
    let mut before = Claims::new("a");
    let stale = before.enter(&cp(), 1, 1000);
    let mut after = Claims::new("a");
    after.enter(&cp(), 1, 2000);
    assert_eq!(after.receive(&stale), ClaimDecision::Nothing);
    assert_eq!(after.held(), [cp()]);
}

#[test]
fn claims_pass_as_json_and_rubbish_does_not() {
    let claim = Claims::new("gateway-1").enter(&cp(), 1, 1000);
    let text = r#"{"chargePoint":"CP1","gateway":"gateway-1","number":1000}"#;
    assert_eq!(claim.to_json(), text);
    assert_eq!(Claim::from_json(text.as_bytes()).expect("a claim"), claim);
    for rubbish in ["", "{}", "[1]", "\u{0}", r#"{"chargePoint":"CP1","gateway":"b","number":-1}"#] {
        assert!(matches!(Claim::from_json(rubbish.as_bytes()), Err(BadClaim::Json(_))), "{rubbish}");
    }
    let absurd = r#"{"chargePoint":"CP1","gateway":"b","number":18446744073709551615}"#;
    assert!(matches!(Claim::from_json(absurd.as_bytes()), Err(BadClaim::Number(u64::MAX))));
}

/// Three gateways, every order in which their claims can arrive at each of them: in the end exactly one has the charge
/// point, the one that let it in last.
#[test]
fn in_whatever_order_claims_arrive_the_last_connection_stays() {
    for seed in 0..2000_u64 {
        let mut random = Rng::with_seed(seed);
        let mut gateways: Vec<Claims> = ["a", "b", "c"].map(Claims::new).into();
        // What is on its way to each of them; the order between any two is lost.
        let mut under_way: Vec<Vec<Claim>> = vec![vec![]; 3];
        let mut last = 0;
        for visit in 0..4 {
            last = random.usize(..3);
            // Clocks differ by less than the time between two connections: a connection before has been heard of, or
            // its number is lower.
            let claim = gateways[last].enter(&cp(), visit, 1000 * u64::from(visit) + random.u64(..900));
            under_way.iter_mut().for_each(|inbox| inbox.push(claim.clone()));
            deliver(&mut gateways, &mut under_way, &mut random, 2);
        }
        deliver(&mut gateways, &mut under_way, &mut random, usize::MAX);
        let holders: Vec<usize> = (0..3).filter(|&it| !gateways[it].held().is_empty()).collect();
        assert_eq!(holders, [last], "seed {seed}");
    }
}

fn deliver(gateways: &mut [Claims], under_way: &mut [Vec<Claim>], random: &mut Rng, mut steps: usize) {
    while steps > 0 && under_way.iter().any(|inbox| !inbox.is_empty()) {
        let to = random.usize(..gateways.len());
        if under_way[to].is_empty() {
            continue;
        }
        let index = random.usize(..under_way[to].len());
        let claim = under_way[to].swap_remove(index);
        if let ClaimDecision::Repeat(claim) = gateways[to].receive(&claim) {
            under_way.iter_mut().for_each(|inbox| inbox.push(claim.clone()));
        }
        steps -= 1;
    }
}

/// A day in 2026.
const NOW: u64 = 1_780_000_000_000;

/// Any number that a claim can have, most of them where something could change: at the ends of the range, and about half of it
/// away from the present.
fn number() -> impl Strategy<Value = u64> {
    let near = |place: u64| (0_u64..5000).prop_map(move |offset| (place + offset).wrapping_sub(2500) & LARGEST);
    prop_oneof![0..=LARGEST, near(0), near(LARGEST), near(NOW), near(NOW + HALF_RANGE)]
}

/// Somebody else's claim to another charge point.
fn foreign(number: u64) -> Claim {
    Claim { charge_point: "CP2".into(), gateway: "x".into(), number }
}

#[test]
fn after_the_largest_number_comes_a_newer_one() {
    for newest in [LARGEST, LARGEST - 1, 0, NOW + HALF_RANGE - 1, NOW + HALF_RANGE, NOW + HALF_RANGE + 1] {
        let (mut a, mut b) = pair();
        let hostile = Claim { charge_point: "CP1".into(), ..foreign(newest) };
        a.receive(&hostile);
        b.receive(&hostile);
        // The greater name must not win for ever.
        for now in NOW..NOW + 10 {
            let of_b = b.enter(&cp(), 1, now);
            assert!(of_b.number <= LARGEST);
            a.receive(&of_b);
            let of_a = a.enter(&cp(), 1, now);
            assert_eq!(b.receive(&of_a), ClaimDecision::Yield { connection: 1 }, "after {newest}");
        }
    }
}

proptest! {
    #[test]
    fn of_two_claims_both_sides_find_the_same_one_to_be_newer(first in number(), second in number()) {
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

    /// Whatever anybody has claimed, gateways come to an end with each other, and one of them at most has the charge point.
    #[test]
    fn contradictions_end(heard in prop::collection::vec(number(), 3), seed: u64) {
        let mut random = Rng::with_seed(seed);
        let mut gateways: Vec<Claims> = ["a", "b", "c"].map(Claims::new).into();
        let mut under_way: Vec<Vec<Claim>> = vec![vec![]; 3];
        for (gateway, number) in gateways.iter_mut().zip(heard) {
            gateway.receive(&foreign(number));
            let claim = gateway.enter(&cp(), 1, NOW + random.u64(..1000));
            under_way.iter_mut().for_each(|inbox| inbox.push(claim.clone()));
        }
        // Each can be contradicted by two others, and answers; that is heard by three.
        deliver(&mut gateways, &mut under_way, &mut random, 100);
        prop_assert!(under_way.iter().all(Vec::is_empty), "they go on");
        prop_assert!(gateways.iter().filter(|gateway| !gateway.held().is_empty()).count() <= 1);
    }

    /// A claim with any number, heard by some of the gateways or by all, keeps no charge point from one of them: if its
    /// connection is closed for an older one, the next is not.
    #[test]
    fn no_number_keeps_a_charge_point_away(hostile in number(), heard_by in prop::array::uniform2(any::<bool>()), first in 0..2_usize) {
        let mut gateways = [Claims::new("a"), Claims::new("b")];
        for (gateway, heard) in gateways.iter_mut().zip(heard_by) {
            gateway.enter(&Identity::new("CP3", 48).expect("an identity"), 1, NOW);
            if heard {
                gateway.receive(&foreign(hostile));
            }
        }
        let mut now = NOW;
        for visit in 0..8 {
            let (here, there) = ((first + visit) % 2, (first + visit + 1) % 2);
            let attempts = (1..5).find(|_| {
                now += 1000;
                // Clocks are a second apart.
                let claim = gateways[here].enter(&cp(), 1, now + 1000 * here as u64);
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
