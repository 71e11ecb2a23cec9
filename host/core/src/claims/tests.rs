use super::*;

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
    assert_eq!(b.hear(&older), Heard::Nothing);
    let newer = b.enter(&cp(), 7, 2000);
    assert_eq!(a.hear(&newer), Heard::Yield { connection: 1 });
    assert_eq!(a.hear(&newer), Heard::Nothing, "it is gone");
    assert_eq!(b.hear(&newer), Heard::Nothing, "the echo of its own");
    assert_eq!((a.held(), b.held()), (vec![], vec![cp()]));
}

#[test]
fn a_claim_that_comes_late_does_not_close_a_newer_connection() {
    let (mut a, mut b) = pair();
    let late = a.enter(&cp(), 1, 1000);
    let newer = b.enter(&cp(), 1, 2000);
    let Heard::Repeat(repeated) = b.hear(&late) else { panic!("b keeps it and says so") };
    assert_eq!(repeated, newer);
    assert_eq!(a.hear(&repeated), Heard::Yield { connection: 1 });
}

#[test]
fn a_slow_clock_does_not_lose_what_came_last() {
    let (mut a, mut b) = pair();
    let ahead = a.enter(&cp(), 1, 90_000);
    assert_eq!(b.hear(&ahead), Heard::Nothing);
    let newer = b.enter(&cp(), 1, 1000);
    assert_eq!(a.hear(&newer), Heard::Yield { connection: 1 });
}

#[test]
fn ties_go_to_the_greater_name_on_both_sides() {
    let (mut a, mut b) = pair();
    let (of_a, of_b) = (a.enter(&cp(), 1, 1000), b.enter(&cp(), 1, 1000));
    assert_eq!(of_a.number, of_b.number);
    assert!(matches!(b.hear(&of_a), Heard::Repeat(_)));
    assert_eq!(a.hear(&of_b), Heard::Yield { connection: 1 });
}

#[test]
fn two_connections_to_one_gateway_have_different_numbers() {
    let (mut a, mut b) = pair();
    let first = a.enter(&cp(), 1, 1000);
    let second = a.enter(&cp(), 2, 1000);
    assert!(second.number > first.number);
    a.leave(&cp(), 1);
    assert_eq!(a.held(), [cp()], "the late end of the first leaves the second its claim");
    assert_eq!(b.hear(&second), Heard::Nothing);
    a.leave(&cp(), 2);
    assert_eq!((a.held(), a.repeat(&cp())), (vec![], None));
}

#[test]
fn a_claim_of_an_earlier_process_of_the_same_name_does_nothing() {
    let mut before = Claims::new("a");
    let stale = before.enter(&cp(), 1, 1000);
    let mut after = Claims::new("a");
    after.enter(&cp(), 1, 2000);
    assert_eq!(after.hear(&stale), Heard::Nothing);
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
        let mut random = Random(seed);
        let mut gateways: Vec<Claims> = ["a", "b", "c"].map(Claims::new).into();
        // What is on its way to each of them; the order between any two is lost.
        let mut under_way: Vec<Vec<Claim>> = vec![vec![]; 3];
        let mut last = 0;
        for visit in 0..4 {
            last = random.below(3);
            // Clocks differ by less than the time between two connections: a connection before has been heard of, or
            // its number is lower.
            let claim = gateways[last].enter(&cp(), visit, 1000 * u64::from(visit) + random.below(900) as u64);
            under_way.iter_mut().for_each(|inbox| inbox.push(claim.clone()));
            deliver(&mut gateways, &mut under_way, &mut random, 2);
        }
        deliver(&mut gateways, &mut under_way, &mut random, usize::MAX);
        let holders: Vec<usize> = (0..3).filter(|&it| !gateways[it].held().is_empty()).collect();
        assert_eq!(holders, [last], "seed {seed}");
    }
}

fn deliver(gateways: &mut [Claims], under_way: &mut [Vec<Claim>], random: &mut Random, mut steps: usize) {
    while steps > 0 && under_way.iter().any(|inbox| !inbox.is_empty()) {
        let to = random.below(gateways.len());
        if under_way[to].is_empty() {
            continue;
        }
        let index = random.below(under_way[to].len());
        let claim = under_way[to].swap_remove(index);
        if let Heard::Repeat(claim) = gateways[to].hear(&claim) {
            under_way.iter_mut().for_each(|inbox| inbox.push(claim.clone()));
        }
        steps -= 1;
    }
}

/// Splitmix64: the same sequence for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }
}
