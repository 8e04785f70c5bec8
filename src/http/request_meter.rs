//! Counts requests by route and status, and their durations. Each worker counts for itself,
//! so that the cores do not contend for a counter; a reading adds the workers up.

use std::sync::{Arc, Mutex, PoisonError};

use actix_web::http::StatusCode;

use crate::http::route::RouteIndex;
use crate::meter::{Counter, Histogram, HistogramReading};

/// The bounds of the durations, in microseconds.
const MICROS: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000,
];
/// The statuses that are counted each. Others are counted together with all of their class.
const STATUSES: [u16; 21] = [
    200, 201, 202, 204, 304, 400, 401, 402, 403, 404, 405, 408, 409, 410, 413, 415, 422, 429, 500, 502, 503,
];
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The counters of one worker, and the list of those of all workers.
#[derive(Clone, Debug)]
pub struct RequestMeter {
    own: Arc<[RouteMeter]>,
    all: Arc<Workers>,
}

#[derive(Debug)]
struct Workers {
    /// Method and pattern of each route, in the order of the route table.
    routes: Vec<(String, &'static str)>,
    meters: Mutex<Vec<Arc<[RouteMeter]>>>,
}

#[derive(Debug)]
struct RouteMeter {
    /// In the order of [`STATUSES`], then of [`CLASSES`].
    statuses: [Counter; STATUSES.len() + CLASSES.len()],
    micros: Histogram,
}

/// The requests of one route.
#[derive(Clone, Debug)]
pub struct RouteReading {
    /// The route's method and the pattern of its path. `None` for requests without a route.
    pub route: Option<(String, &'static str)>,
    /// The requests by status or class of statuses, such as `200` or `4xx`, without those of
    /// which there was none.
    pub statuses: Vec<(String, u64)>,
    /// Durations in microseconds.
    pub micros: HistogramReading,
}

impl RequestMeter {
    /// Returns counters for these routes, which are in the order of the route table.
    pub fn new(routes: Vec<(String, &'static str)>) -> Self {
        let own = meters(routes.len());
        let workers = Workers {
            routes,
            meters: Mutex::new(vec![Arc::clone(&own)]),
        };
        Self {
            own,
            all: Arc::new(workers),
        }
    }

    /// Returns counters of another worker.
    pub(super) fn for_worker(&self) -> Self {
        let own = meters(self.all.routes.len());
        let mut workers = self.all.meters.lock().unwrap_or_else(PoisonError::into_inner);
        workers.push(Arc::clone(&own));
        Self {
            own,
            all: Arc::clone(&self.all),
        }
    }

    /// Counts an answered request. It has no route if the service knows no route of its path
    /// and method, or did not look for one.
    pub(super) fn count(&self, route: Option<RouteIndex>, status: StatusCode, micros: u64) {
        let without_route = self.own.len() - 1;
        let index = route.map_or(without_route, |RouteIndex(index)| index.min(without_route));
        self.own[index].statuses[place_of(status)].add_one();
        self.own[index].micros.observe(micros);
    }

    /// Adds up the counts of all workers. Returns the routes that had requests.
    pub fn read(&self) -> Vec<RouteReading> {
        let workers = self.all.meters.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let readings = (0..self.own.len()).map(|index| {
            let mut statuses = [0; STATUSES.len() + CLASSES.len()];
            let mut micros = Histogram::new(&MICROS).read();
            for worker in &workers {
                for (sum, counter) in statuses.iter_mut().zip(&worker[index].statuses) {
                    *sum += counter.get();
                }
                micros.add(&worker[index].micros.read());
            }
            let named = statuses.into_iter().enumerate().filter(|(_, count)| *count > 0);
            RouteReading {
                route: self.all.routes.get(index).cloned(),
                statuses: named.map(|(place, count)| (name_of(place), count)).collect(),
                micros,
            }
        });
        readings.filter(|reading| !reading.statuses.is_empty()).collect()
    }
}

/// Returns the counters of each route, and those of requests without a route at the end.
fn meters(routes: usize) -> Arc<[RouteMeter]> {
    let meter = |_| RouteMeter {
        statuses: Default::default(),
        micros: Histogram::new(&MICROS),
    };
    (0..=routes).map(meter).collect()
}

fn place_of(status: StatusCode) -> usize {
    let status = status.as_u16();
    STATUSES.binary_search(&status).unwrap_or_else(|_| {
        let class = usize::from(status / 100).clamp(1, CLASSES.len());
        STATUSES.len() + class - 1
    })
}

fn name_of(place: usize) -> String {
    match STATUSES.get(place) {
        Some(status) => status.to_string(),
        None => CLASSES[place - STATUSES.len()].to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_has_a_name_of_a_bounded_set() {
        assert!(STATUSES.is_sorted());
        for (status, name) in [
            (200, "200"),
            (503, "503"),
            (207, "2xx"),
            (100, "1xx"),
            (418, "4xx"),
            (599, "5xx"),
            (999, "5xx"),
        ] {
            assert_eq!(name_of(place_of(StatusCode::from_u16(status).unwrap())), name);
        }
    }

    #[test]
    fn the_counts_of_all_workers_are_added_up() {
        let first = RequestMeter::new(vec![
            ("GET".to_owned(), "/a"),
            ("GET".to_owned(), "/b"),
            ("PUT".to_owned(), "/b"),
        ]);
        let second = first.for_worker();
        first.count(Some(RouteIndex(2)), StatusCode::OK, 700);
        second.count(Some(RouteIndex(2)), StatusCode::OK, 300);
        second.count(None, StatusCode::NOT_FOUND, 10);
        let readings = first.read();
        assert_eq!(readings.len(), 2);
        assert_eq!(readings[0].route, Some(("PUT".to_owned(), "/b")));
        assert_eq!(readings[0].statuses, [("200".to_owned(), 2)]);
        assert_eq!((readings[0].micros.count(), readings[0].micros.sum), (2, 1_000));
        assert_eq!(readings[1].route, None);
        assert_eq!(readings[1].statuses, [("404".to_owned(), 1)]);
    }
}
