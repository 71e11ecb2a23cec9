//! The list of charge points: filtered, sorted, a page at a time.

use super::filter::{AnyCase, Filter};
use super::listed::{Listed, Row};
use crate::admin::problem::Problem;
use crate::admin::query::limit_of;
use crate::charge_point::{OpenCallCounts, Registry, WallClock};
use ocpp_gateway_core::version::UnknownVersion;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::time::UNIX_EPOCH;

/// Charge points that are taken from the registry at a time: it is locked meanwhile.
const BATCH: usize = 256;

/// Query parameters.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Parameters {
    /// The most charge points on the page.
    limit: Option<usize>,
    /// Only identities after this one: `next` of the previous page.
    after: Option<String>,
    offset: Option<usize>,
    id: String,
    search: String,
    version: Option<String>,
    /// The name of a listener.
    listener: Option<String>,
    vendor: String,
    model: String,
    status: String,
    state: State,
    sort: Sort,
    order: Order,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    #[default]
    Connected,
    Away,
    All,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Sort {
    #[default]
    Id,
    ConnectedSince,
    LastMessage,
    OpenCalls,
    Mailbox,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Order {
    #[default]
    Asc,
    Desc,
}

/// A request for a part of the list.
#[derive(Debug)]
pub(super) struct ListQuery {
    limit: usize,
    after: Option<String>,
    offset: usize,
    /// Empty: of any identity.
    id: String,
    filter: Filter,
    state: State,
    sort: Sort,
    order: Order,
}

/// A page of the list.
#[derive(Debug, Serialize)]
pub(super) struct ChargePointPage {
    charge_points: Vec<Row>,
    /// The number of all connected charge points.
    total: usize,
    /// The number of charge points that the filters select.
    matching: usize,
    /// The last identity of this page, if more follow and it can be `after` of the next page.
    next: Option<String>,
}

impl TryFrom<Parameters> for ListQuery {
    type Error = Problem;

    fn try_from(parameters: Parameters) -> Result<Self, Problem> {
        let Parameters {
            limit,
            after,
            offset,
            id,
            search,
            version,
            listener,
            vendor,
            model,
            status,
            state,
            sort,
            order,
        } = parameters;
        let limit = limit_of(limit)?;
        if after.is_some() && (sort != Sort::Id || order != Order::Asc || offset.is_some()) {
            return Err(Problem::bad_request("after needs sort=id and order=asc, and no offset: use offset alone"));
        }
        let version = version.map(|version| version.parse()).transpose();
        let version = version.map_err(|error: UnknownVersion| Problem::bad_request(error.to_string()))?;
        let [search, vendor, model, status] = [search, vendor, model, status].map(|text| AnyCase::new(&text));
        let filter = Filter { version, listener, search, vendor, model, status };
        Ok(ListQuery { limit, after, offset: offset.unwrap_or(0), id, filter, state, sort, order })
    }
}

impl ListQuery {
    /// Takes long if it has filters or an order of its own.
    pub(super) fn page(&self, registry: &Registry) -> ChargePointPage {
        let total = registry.len();
        let (mut listed, matching) =
            if self.is_a_part_of_the_registry() { (self.part_of(registry), total) } else { self.selection(registry) };
        let has_more = listed.len() > self.limit;
        listed.truncate(self.limit);
        let clock = WallClock::now();
        let charge_points: Vec<Row> = listed.iter().map(|listed| Row::of(listed, clock)).collect();
        let is_continued = has_more && self.sort == Sort::Id && self.order == Order::Asc;
        let next = charge_points.last().filter(|_| is_continued).map(|last| last.id.clone());
        ChargePointPage { charge_points, total, matching, next }
    }

    /// Whether the page is in the registry as it is.
    fn is_a_part_of_the_registry(&self) -> bool {
        self.id.is_empty() && self.filter.is_empty() && self.state == State::Connected && self.sort == Sort::Id
    }

    /// One more than the page has.
    fn part_of(&self, registry: &Registry) -> Vec<Listed> {
        let part = match self.order {
            Order::Asc => registry.page(self.after.as_deref(), self.offset, self.limit + 1),
            Order::Desc => registry.page_from_the_end(self.offset, self.limit + 1),
        };
        part.into_iter().map(Listed::Connected).collect()
    }

    /// One more than the page has, and how many the filters select.
    fn selection(&self, registry: &Registry) -> (Vec<Listed>, usize) {
        let mut selected = Vec::new();
        let mut scratch = String::new();
        let mut add = |listed: Listed| {
            if self.filter.selects(&listed, &mut scratch) {
                selected.push(Candidate { key: self.sort.key(&listed), listed });
            }
        };
        // One that connects meanwhile is in both lists, and one that disconnects in none: it is looked for once more.
        if self.state != State::Connected {
            self.each_away(registry, &mut add);
        }
        if self.state != State::Away {
            self.each_connected(registry, &mut add);
        }
        if self.state == State::All && !self.id.is_empty() {
            self.each_away(registry, &mut add);
        }
        if self.state == State::All {
            keep_connected(&mut selected);
        }
        let matching = selected.len();
        if let Some(after) = &self.after {
            selected.retain(|it| it.listed.id() > after.as_str());
        }
        let page = sorted_part(selected, self.offset, self.limit + 1, self.order);
        (page.into_iter().map(|it| it.listed).collect(), matching)
    }

    fn each_away(&self, registry: &Registry, add: &mut impl FnMut(Listed)) {
        if self.id.is_empty() {
            registry.away().into_iter().map(Listed::Away).for_each(add);
        } else {
            registry.find_away(&self.id).map(Listed::Away).into_iter().for_each(add);
        }
    }

    fn each_connected(&self, registry: &Registry, add: &mut impl FnMut(Listed)) {
        if !self.id.is_empty() {
            return registry.find(&self.id).map(Listed::Connected).into_iter().for_each(add);
        }
        let mut last: Option<String> = None;
        loop {
            let batch = registry.page(last.as_deref(), 0, BATCH);
            last = batch.last().filter(|_| batch.len() == BATCH).map(|it| it.mailbox.peer().identity.to_string());
            batch.into_iter().map(Listed::Connected).for_each(&mut *add);
            if last.is_none() {
                return;
            }
        }
    }
}

impl Sort {
    /// What the list is sorted by before the identity. `None`: not known.
    fn key(self, listed: &Listed) -> Option<u64> {
        match self {
            Sort::Id => None,
            Sort::ConnectedSince => {
                let since = listed.since().duration_since(UNIX_EPOCH).unwrap_or_default();
                Some(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
            }
            Sort::LastMessage => listed.last_message().map(|last| last.milliseconds()),
            Sort::OpenCalls => {
                let OpenCallCounts { from_charge_point, to_charge_point } = listed.open_calls();
                Some(u64::from(from_charge_point) + u64::from(to_charge_point))
            }
            Sort::Mailbox => Some(listed.waiting() as u64),
        }
    }
}

/// A selected charge point, and its key: what it is made of may change while the list is sorted.
struct Candidate {
    key: Option<u64>,
    listed: Listed,
}

/// Drops those that are away and have connected since they were collected.
fn keep_connected(selected: &mut Vec<Candidate>) {
    let is_away = |it: &Candidate| matches!(it.listed, Listed::Away(_));
    selected.sort_by(|one, other| (one.listed.id(), is_away(one)).cmp(&(other.listed.id(), is_away(other))));
    selected.dedup_by(|next, kept| next.listed.id() == kept.listed.id());
}

/// The elements from `offset` on, at most `limit`, as if all were sorted.
fn sorted_part(mut all: Vec<Candidate>, offset: usize, limit: usize, order: Order) -> Vec<Candidate> {
    let compare = |one: &Candidate, other: &Candidate| compare(order, one, other);
    let (start, end) = (offset.min(all.len()), offset.saturating_add(limit).min(all.len()));
    if end < all.len() {
        all.select_nth_unstable_by(end, compare);
        all.truncate(end);
    }
    if (1..all.len()).contains(&start) {
        all.select_nth_unstable_by(start, compare);
    }
    all.drain(..start);
    all.sort_unstable_by(compare);
    all
}

fn compare(order: Order, one: &Candidate, other: &Candidate) -> Ordering {
    let directed = |ordering: Ordering| if order == Order::Asc { ordering } else { ordering.reverse() };
    let by_id = || one.listed.id().cmp(other.listed.id());
    match (one.key, other.key) {
        (Some(key), Some(other)) => directed(key.cmp(&other)).then_with(by_id),
        // What is not known is last in both orders.
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => directed(by_id()),
    }
}
