//! Where the nodes of a graph are drawn: in layers from left to right, with few crossings and short edges.
//!
//! After Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system structures" (1981): edges
//! that close a circle are turned, nodes get the layer of their longest way from a beginning, long edges are cut by
//! places without a node, layers are sorted by the medians of their neighbours as long as that takes away crossings,
//! and places are drawn to their neighbours by isotonic regression, which keeps their order and distance.

use std::collections::{BTreeSet, VecDeque};

/// Rounds of sorting.
const SWEEPS: usize = 32;
/// Rounds of drawing places together.
const PULLS: usize = 24;

/// A drawn graph: coordinates in units of one node's place.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// Layer and height of each node.
    pub places: Vec<(usize, f64)>,
    /// For each edge the places that it goes through, from left to right, its ends among them.
    pub ways: Vec<Vec<(usize, f64)>>,
    pub layers: usize,
    pub height: f64,
}

/// Lays out `nodes` nodes with these edges. Edges of a node to itself have no way.
pub fn layout(nodes: usize, edges: &[(usize, usize)]) -> Layout {
    let straight = without_circles(nodes, edges);
    let layer = layers(nodes, &straight);
    let mut drawing = Drawing::new(nodes, &straight, &layer);
    drawing.sort();
    let heights = drawing.heights();
    let lowest = heights.iter().copied().fold(f64::INFINITY, f64::min);
    let heights: Vec<f64> =
        heights.iter().map(|height| height - if lowest.is_finite() { lowest } else { 0.0 }).collect();
    let ways = edges.iter().zip(&straight).zip(&drawing.ways).map(|((_, straight), way)| match straight {
        None => Vec::new(),
        Some(_) => way.iter().map(|point| (drawing.layer[*point], heights[*point])).collect(),
    });
    Layout {
        ways: ways.collect(),
        places: (0..nodes).map(|node| (layer[node], heights[node])).collect(),
        layers: layer.iter().max().map_or(0, |last| last + 1),
        height: heights.iter().copied().fold(0.0, f64::max) + 1.0,
    }
}

/// Edges that all point from an earlier to a later node; those that close a circle are turned, those to the node itself gone.
fn without_circles(nodes: usize, edges: &[(usize, usize)]) -> Vec<Option<(usize, usize)>> {
    let mut next: Vec<Vec<usize>> = vec![Vec::new(); nodes];
    edges.iter().for_each(|(from, to)| next[*from].push(*to));
    // The order in which a walk leaves nodes behind, backwards, has every edge forwards that is part of no circle.
    let (mut order, mut seen) = (vec![usize::MAX; nodes], vec![false; nodes]);
    let mut count = nodes;
    for start in 0..nodes {
        if seen[start] {
            continue;
        }
        seen[start] = true;
        let mut open = vec![(start, 0)];
        while let Some((node, at)) = open.pop() {
            match next[node].get(at) {
                Some(other) => {
                    open.push((node, at + 1));
                    if !seen[*other] {
                        seen[*other] = true;
                        open.push((*other, 0));
                    }
                }
                None => {
                    count -= 1;
                    order[node] = count;
                }
            }
        }
    }
    let straight = |(from, to): &(usize, usize)| match from == to {
        true => None,
        false if order[*from] < order[*to] => Some((*from, *to)),
        false => Some((*to, *from)),
    };
    edges.iter().map(straight).collect()
}

/// The layer of each node: the length of its longest way from a beginning; beginnings stand just before what they begin.
fn layers(nodes: usize, edges: &[Option<(usize, usize)>]) -> Vec<usize> {
    let mut layer = vec![0usize; nodes];
    // No way is longer than there are nodes.
    for _ in 0..nodes {
        let mut changed = false;
        for (from, to) in edges.iter().flatten() {
            if layer[*to] <= layer[*from] {
                layer[*to] = layer[*from] + 1;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    for node in 0..nodes {
        let begins = !edges.iter().flatten().any(|(_, to)| *to == node);
        let nearest = edges.iter().flatten().filter(|(from, _)| *from == node).map(|(_, to)| layer[*to]).min();
        if let (true, Some(nearest)) = (begins, nearest) {
            layer[node] = nearest.saturating_sub(1);
        }
    }
    layer
}

/// A point as many edges away from `start` as any, whichever way they point.
fn farthest(start: usize, before: &[Vec<usize>], after: &[Vec<usize>]) -> usize {
    let mut seen = BTreeSet::from([start]);
    let mut open = VecDeque::from([start]);
    let mut last = start;
    while let Some(point) = open.pop_front() {
        last = point;
        open.extend(after[point].iter().chain(&before[point]).filter(|other| seen.insert(**other)));
    }
    last
}

/// Nodes and places of long edges, called points, layer by layer.
struct Drawing {
    /// Of each point.
    layer: Vec<usize>,
    /// The points of each layer, from top to bottom.
    rows: Vec<Vec<usize>>,
    before: Vec<Vec<usize>>,
    after: Vec<Vec<usize>>,
    /// The points of each edge.
    ways: Vec<Vec<usize>>,
}

impl Drawing {
    fn new(nodes: usize, edges: &[Option<(usize, usize)>], of_nodes: &[usize]) -> Drawing {
        let mut layer = of_nodes.to_vec();
        let mut ways = Vec::with_capacity(edges.len());
        for edge in edges {
            let Some((from, to)) = edge else {
                ways.push(Vec::new());
                continue;
            };
            let mut way = vec![*from];
            for between in of_nodes[*from] + 1..of_nodes[*to] {
                way.push(layer.len());
                layer.push(between);
            }
            way.push(*to);
            ways.push(way);
        }
        let points = layer.len();
        let (mut before, mut after) = (vec![Vec::new(); points], vec![Vec::new(); points]);
        for pair in ways.iter().flat_map(|way| way.windows(2)) {
            after[pair[0]].push(pair[1]);
            before[pair[1]].push(pair[0]);
        }
        let mut rows = vec![Vec::new(); layer.iter().max().map_or(0, |last| last + 1)];
        // Connected nodes begin side by side: points in the order of a walk, from one end of it to the other.
        let mut seen = vec![false; points];
        for start in 0..nodes {
            let mut open = match seen[start] {
                true => continue,
                false => vec![farthest(farthest(start, &before, &after), &before, &after)],
            };
            while let Some(point) = open.pop() {
                if std::mem::replace(&mut seen[point], true) {
                    continue;
                }
                rows[layer[point]].push(point);
                open.extend(after[point].iter().rev().chain(before[point].iter().rev()));
            }
        }
        Drawing { layer, rows, before, after, ways }
    }

    fn places(&self) -> Vec<usize> {
        let mut places = vec![0; self.layer.len()];
        for row in &self.rows {
            row.iter().enumerate().for_each(|(at, point)| places[*point] = at);
        }
        places
    }

    /// Sorts each layer by the places of the neighbours, to and fro, and keeps the best order that was seen.
    fn sort(&mut self) {
        let mut best = (self.crossings(), self.rows.clone());
        for sweep in 0..SWEEPS {
            let count = self.rows.len();
            let rows: Vec<usize> =
                if sweep % 2 == 0 { (1..count).collect() } else { (0..count.saturating_sub(1)).rev().collect() };
            for row in rows {
                let places = self.places();
                let neighbours = if sweep % 2 == 0 { &self.before } else { &self.after };
                // By turns the median and the mean: where one is stuck, the other continues.
                let middle = |point: &usize| -> Option<f64> {
                    let mut of: Vec<usize> = neighbours[*point].iter().map(|other| places[*other]).collect();
                    of.sort_unstable();
                    let half = of.len().checked_sub(1)? / 2;
                    Some(match sweep / 2 % 2 {
                        0 => (of[half] + of[of.len() / 2]) as f64 / 2.0,
                        _ => of.iter().sum::<usize>() as f64 / of.len() as f64,
                    })
                };
                // A point without neighbours keeps its place.
                let mut sorted: Vec<(f64, usize, usize)> = self.rows[row]
                    .iter()
                    .enumerate()
                    .map(|(at, point)| (middle(point).unwrap_or(at as f64), at, *point))
                    .collect();
                sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                self.rows[row] = sorted.into_iter().map(|(_, _, point)| point).collect();
            }
            while self.exchange() {}
            let crossings = self.crossings();
            if crossings < best.0 {
                best = (crossings, self.rows.clone());
            }
            if crossings == 0 {
                break;
            }
        }
        self.rows = best.1;
    }

    /// Exchanges neighbours within a layer wherever that takes away crossings; whether there were any.
    fn exchange(&mut self) -> bool {
        let mut places = self.places();
        let mut exchanged = false;
        for row in &mut self.rows {
            for at in 1..row.len() {
                let (a, b) = (row[at - 1], row[at]);
                let crossing = |a: &[usize], b: &[usize]| -> usize {
                    a.iter().map(|of_a| b.iter().filter(|of_b| places[**of_b] < places[*of_a]).count()).sum()
                };
                let now = crossing(&self.before[a], &self.before[b]) + crossing(&self.after[a], &self.after[b]);
                let then = crossing(&self.before[b], &self.before[a]) + crossing(&self.after[b], &self.after[a]);
                if then < now {
                    row.swap(at - 1, at);
                    places.swap(a, b);
                    exchanged = true;
                }
            }
        }
        exchanged
    }

    fn crossings(&self) -> usize {
        let places = self.places();
        let mut all = 0;
        for row in &self.rows {
            let mut ends: Vec<(usize, usize)> = row
                .iter()
                .flat_map(|point| self.after[*point].iter().map(|other| (places[*point], places[*other])))
                .collect();
            ends.sort_unstable();
            for (at, (_, end)) in ends.iter().enumerate() {
                all += ends[..at].iter().filter(|(from, other)| other > end && *from < ends[at].0).count();
            }
        }
        all
    }

    /// The height of each point, at least one apart from its neighbours in the layer.
    fn heights(&self) -> Vec<f64> {
        let mut heights: Vec<f64> = self.places().into_iter().map(|place| place as f64).collect();
        for pull in 0..PULLS {
            let order: Vec<usize> =
                if pull % 2 == 0 { (0..self.rows.len()).collect() } else { (0..self.rows.len()).rev().collect() };
            for row in order.into_iter().map(|at| &self.rows[at]) {
                let wanted: Vec<f64> = row
                    .iter()
                    .map(|point| {
                        let neighbours: Vec<f64> = self.before[*point]
                            .iter()
                            .chain(&self.after[*point])
                            .map(|other| heights[*other])
                            .collect();
                        match neighbours.is_empty() {
                            true => heights[*point],
                            false => neighbours.iter().sum::<f64>() / neighbours.len() as f64,
                        }
                    })
                    .collect();
                for (point, height) in row.iter().zip(apart(&wanted)) {
                    heights[*point] = height;
                }
            }
        }
        heights
    }
}

/// The heights nearest to those wanted (least squares) that rise by at least 1: pooled adjacent violators.
fn apart(wanted: &[f64]) -> Vec<f64> {
    // Without the distances, heights must only not fall.
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for (at, height) in wanted.iter().enumerate() {
        let mut pool = (height - at as f64, 1);
        while let Some((mean, size)) = pools.last().filter(|(mean, _)| *mean > pool.0) {
            pool = ((mean * *size as f64 + pool.0 * pool.1 as f64) / (size + pool.1) as f64, size + pool.1);
            pools.pop();
        }
        pools.push(pool);
    }
    let levels = pools.into_iter().flat_map(|(mean, size)| std::iter::repeat_n(mean, size));
    levels.enumerate().map(|(at, level)| level + at as f64).collect()
}

#[cfg(test)]
mod tests {
    use spec::random::Random;

    use super::*;

    fn crossings(nodes: usize, edges: &[(usize, usize)]) -> usize {
        let straight = without_circles(nodes, edges);
        let mut drawing = Drawing::new(nodes, &straight, &layers(nodes, &straight));
        drawing.sort();
        drawing.crossings()
    }

    /// Holds for every layout.
    fn check(nodes: usize, edges: &[(usize, usize)]) -> Layout {
        let layout = layout(nodes, edges);
        assert_eq!((layout.places.len(), layout.ways.len()), (nodes, edges.len()));
        let mut places = layout.places.clone();
        places.sort_by(|a, b| a.partial_cmp(b).unwrap());
        for pair in places.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
            assert!(pair[1].1 - pair[0].1 > 0.999, "nodes overlap: {pair:?}");
        }
        for ((from, to), way) in edges.iter().zip(&layout.ways) {
            assert_eq!(way.is_empty(), from == to);
            assert!(way.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0), "{way:?}");
        }
        assert!(layout.places.iter().all(|(_, height)| (0.0..layout.height).contains(height)));
        layout
    }

    #[test]
    fn a_tree_is_drawn_without_a_crossing_whatever_the_order_of_its_nodes() {
        // 40 nodes, each below one before it, numbered at random.
        for seed in 0..10 {
            let mut random = Random::from_state(seed);
            let mut names: Vec<usize> = (0..40).collect();
            random.shuffle(&mut names);
            let edges: Vec<(usize, usize)> = (1..40).map(|node| (names[random.below(node)], names[node])).collect();
            assert_eq!(crossings(40, &edges), 0, "seed {seed}");
            check(40, &edges);
        }
    }

    #[test]
    fn few_edges_cross_at_sixty_tables() {
        // Twenty chains of three layers, each of which also reads its neighbour, named at random.
        let mut random = Random::from_state(3);
        let mut names: Vec<usize> = (0..60).collect();
        random.shuffle(&mut names);
        let at = |layer: usize, chain: usize| names[layer * 20 + chain];
        let mut edges: Vec<(usize, usize)> = Vec::new();
        for chain in 0..20 {
            edges.extend([(at(0, chain), at(1, chain)), (at(1, chain), at(2, chain))]);
            if chain + 1 < 20 {
                edges.push((at(1, chain), at(2, chain + 1)));
            }
        }
        random.shuffle(&mut edges);
        let naive = {
            let straight = without_circles(60, &edges);
            Drawing {
                rows: (0..3)
                    .map(|layer| (0..60).filter(|node| layers(60, &straight)[*node] == layer).collect())
                    .collect(),
                ..Drawing::new(60, &straight, &layers(60, &straight))
            }
            .crossings()
        };
        let found = crossings(60, &edges);
        assert!(found <= 5 && naive > 50, "{found} crossings, {naive} in the order of names");
        check(60, &edges);
    }

    #[test]
    fn circles_and_loops_are_drawn_too() {
        let layout = check(4, &[(0, 1), (1, 2), (2, 0), (3, 3), (0, 3)]);
        assert_eq!(layout.layers, 3);
        assert_eq!(check(0, &[]).layers, 0);
        assert_eq!(check(1, &[]).layers, 1);
    }

    #[test]
    fn long_edges_have_places_of_their_own() {
        let layout = check(3, &[(0, 1), (1, 2), (0, 2)]);
        assert_eq!(layout.ways[2].iter().map(|(layer, _)| *layer).collect::<Vec<_>>(), [0, 1, 2]);
        // It does not run through the node between.
        assert!((layout.ways[2][1].1 - layout.places[1].1).abs() > 0.999);
    }

    #[test]
    fn places_are_as_near_as_their_distance_allows() {
        assert_eq!(apart(&[0.0, 0.0, 0.0]), [-1.0, 0.0, 1.0]);
        assert_eq!(apart(&[0.0, 5.0, 5.0]), [0.0, 4.5, 5.5]);
        assert_eq!(apart(&[3.0, 1.0]), [1.5, 2.5]);
    }
}
