//! Nearest places and places within a radius, on the sphere.
//!
//! Points become unit vectors: the chord between two grows with the great-circle distance, so the nearest by chord is
//! the nearest, at the poles and across the antimeridian too. Places are sorted along the axis on which they
//! spread most; a search walks outwards from the row's own place on it and stops where that axis alone is
//! further away than the best found. Some hundred places of a city take a few dozen steps.

use std::cmp::Ordering;

use rayon::prelude::*;

/// The mean radius of the Earth in metres (IUGG R1).
pub const RADIUS: f64 = 6_371_008.8;

/// What rounding may add to a chord: far below a millimetre.
const SLACK: f64 = 1e-12;

/// Great-circle distance in metres of two points given as latitude and longitude in degrees (haversine formula).
pub fn haversine(a: [f64; 2], b: [f64; 2]) -> f64 {
    let half = |from: f64, to: f64| ((to - from).to_radians() / 2.0).sin().powi(2);
    let h = half(a[0], b[0]) + a[0].to_radians().cos() * b[0].to_radians().cos() * half(a[1], b[1]);
    2.0 * RADIUS * h.sqrt().min(1.0).asin()
}

fn unit([lat, lon]: [f64; 2]) -> [f64; 3] {
    let (lat, lon) = (lat.to_radians(), lon.to_radians());
    [lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()]
}

fn squared(a: [f64; 3], b: [f64; 3]) -> f64 {
    (0..3).map(|axis| (a[axis] - b[axis]) * (a[axis] - b[axis])).sum()
}

/// Places, ready to be searched. Their numbers are those of the list that they came from.
pub struct Places {
    axis: usize,
    /// Ascending along the axis.
    along: Vec<f64>,
    units: Vec<[f64; 3]>,
    degrees: Vec<[f64; 2]>,
    numbers: Vec<u32>,
}

impl Places {
    /// Those of `points` that have coordinates.
    pub fn new(points: &[Option<[f64; 2]>]) -> Places {
        let mut known: Vec<(u32, [f64; 2], [f64; 3])> =
            points.iter().zip(0u32..).filter_map(|(point, number)| point.map(|at| (number, at, unit(at)))).collect();
        let spread = |axis: usize| {
            let (low, high) = known
                .iter()
                .fold((f64::MAX, f64::MIN), |(low, high), (_, _, unit)| (low.min(unit[axis]), high.max(unit[axis])));
            high - low
        };
        let axis = (0..3).max_by(|a, b| spread(*a).total_cmp(&spread(*b))).unwrap_or(0);
        known.sort_by(|a, b| a.2[axis].total_cmp(&b.2[axis]).then(a.0.cmp(&b.0)));
        Places {
            axis,
            along: known.iter().map(|place| place.2[axis]).collect(),
            units: known.iter().map(|place| place.2).collect(),
            degrees: known.iter().map(|place| place.1).collect(),
            numbers: known.iter().map(|place| place.0).collect(),
        }
    }

    /// The nearest place and its distance in metres; of equally near ones the one with the smallest number.
    pub fn nearest(&self, at: [f64; 2]) -> Option<(u32, f64)> {
        let from = unit(at);
        let here = from[self.axis];
        // Places below this number and from that one on are still to be looked at.
        let mut below = self.along.partition_point(|place| *place < here);
        let mut above = below;
        let mut best: Option<(u32, f64)> = None;
        let mut reach = f64::INFINITY;
        loop {
            // The side whose next place is nearer along the axis.
            let down = if below > 0 { here - self.along[below - 1] } else { f64::INFINITY };
            let up = if above < self.along.len() { self.along[above] - here } else { f64::INFINITY };
            if down.min(up) > reach {
                return best;
            }
            let place = if down < up {
                below -= 1;
                below
            } else if up < f64::INFINITY {
                above += 1;
                above - 1
            } else {
                return best;
            };
            let chord = squared(from, self.units[place]).sqrt();
            if chord > reach {
                continue;
            }
            let (number, metres) = (self.numbers[place], haversine(at, self.degrees[place]));
            let nearer = best.is_none_or(|(other, least)| match metres.total_cmp(&least) {
                Ordering::Less => true,
                Ordering::Equal => number < other,
                Ordering::Greater => false,
            });
            if nearer {
                best = Some((number, metres));
                reach = reach.min(chord + SLACK);
            }
        }
    }

    /// How many places lie within `radius` metres, the border included.
    pub fn within(&self, at: [f64; 2], radius: f64) -> i64 {
        let from = unit(at);
        // Half the Earth's girth or more reaches every place.
        let angle = (radius / RADIUS / 2.0).min(std::f64::consts::FRAC_PI_2);
        let chord = 2.0 * angle.sin() + SLACK;
        let here = from[self.axis];
        let first = self.along.partition_point(|place| *place < here - chord);
        let last = self.along.partition_point(|place| *place <= here + chord);
        (first..last)
            .filter(|place| squared(from, self.units[*place]) <= chord * chord)
            .filter(|place| haversine(at, self.degrees[*place]) <= radius)
            .count() as i64
    }
}

/// For each point its nearest place with the distance.
pub fn nearest_of_all(places: &Places, points: &[Option<[f64; 2]>]) -> Vec<Option<(u32, f64)>> {
    points.par_iter().with_min_len(1024).map(|at| at.and_then(|at| places.nearest(at))).collect()
}

/// For each point the number of places within `radius` metres.
pub fn within_of_all(places: &Places, points: &[Option<[f64; 2]>], radius: f64) -> Vec<Option<i64>> {
    points.par_iter().with_min_len(1024).map(|at| at.map(|at| places.within(at, radius))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn distances_agree_with_known_ones() {
        // A quarter of a meridian is a quarter of the girth.
        assert!((haversine([0.0, 0.0], [90.0, 0.0]) - RADIUS * std::f64::consts::FRAC_PI_2).abs() < 1e-6);
        // Berlin to Paris by the angle between the two vectors, atan2(|a x b|, a . b), computed in Python.
        let metres = haversine([52.52, 13.405], [48.8566, 2.3522]);
        assert!((metres - 877464.5379).abs() < 1e-3, "{metres}");
        assert_eq!(haversine([37.5, 127.0], [37.5, 127.0]), 0.0);
    }

    #[test]
    fn the_antimeridian_the_poles_and_ties() {
        let places = Places::new(&[Some([0.0, 179.9]), None, Some([0.0, -179.0]), Some([0.0, 179.9])]);
        let (number, metres) = places.nearest([0.0, -179.95]).unwrap();
        assert_eq!(number, 0, "the first of two at the same point");
        assert!((metres - haversine([0.0, 0.0], [0.0, 0.15])).abs() < 1e-6);
        assert_eq!(places.within([0.0, -179.95], 20_000.0), 2);
        assert_eq!(places.within([0.0, 0.0], 1e9), 3, "every place lies within more than half the girth");
        let polar = Places::new(&[Some([89.9, 0.0]), Some([89.9, 180.0])]);
        assert_eq!(polar.nearest([89.95, 179.0]).unwrap().0, 1);
        assert_eq!(Places::new(&[None]).nearest([0.0, 0.0]), None);
    }

    fn points(most: usize) -> impl Strategy<Value = Vec<Option<[f64; 2]>>> {
        // Coarse steps make ties likely.
        let degree = |limit: i32| (-limit..=limit).prop_map(|step| f64::from(step) / 2.0);
        let point = (degree(180), degree(360)).prop_map(|(lat, lon)| [lat, lon]);
        prop::collection::vec(prop::option::weighted(0.9, point), 0..most)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_search_agrees_with_looking_at_every_place(
            places in points(40), rows in points(40), radius in 1.0f64..2e7,
        ) {
            let known = Places::new(&places);
            for row in rows.iter().flatten() {
                let all = || places.iter().zip(0u32..).filter_map(|(at, i)| at.map(|at| (haversine(*row, at), i)));
                let least = all().map(|(metres, _)| metres).reduce(f64::min);
                let found = known.nearest(*row);
                prop_assert_eq!(found.map(|(_, metres)| metres), least);
                let first = all().filter(|(metres, _)| Some(*metres) == least).map(|(_, i)| i).min();
                prop_assert_eq!(found.map(|(number, _)| number), first);
                prop_assert_eq!(known.within(*row, radius), all().filter(|(metres, _)| *metres <= radius).count() as i64);
            }
        }
    }
}
