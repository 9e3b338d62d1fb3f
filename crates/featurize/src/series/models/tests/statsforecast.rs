//! Drawn series, and what statsforecast 2.1.1 forecasts for them.

use super::*;

/// Of each series AutoETS one and four periods ahead (NaN where the chosen trend is damped, which goes on differently there), and
/// AutoTheta one and four periods ahead.
#[rustfmt::skip]
const FORECASTS: [[f64; 4]; 45] = [
    [67.5078, 69.7095, 67.5647, 69.7695],
    [46.8575, 46.8575, 46.8054, 46.322],
    [-10.9962, -5.3696, -12.1874, -5.67523],
    [64.939, 66.3902, 64.2514, 65.6561],
    [51.7181, f64::NAN, 51.7098, 55.9111],
    [84.1375, 86.2508, 84.1986, 86.3034],
    [44.6158, 44.6158, 44.5489, 44.3418],
    [-10.3873, -7.05192, -11.098, -7.72419],
    [50.8529, 52.5773, 50.6069, 52.8922],
    [71.4651, 73.4325, 71.1208, 72.0668],
    [101.162, 101.847, 101.543, 101.675],
    [55.9878, 55.9878, 56.1555, 56.6977],
    [-11.1875, -11.1875, -11.3084, -11.3084],
    [60.6185, 71.8576, 60.8654, 72.0107],
    [46.3371, 48.5992, 46.527, 48.6097],
    [73.667, 75.6823, 73.5252, 75.5144],
    [30.0607, 28.8112, 30.6074, 29.4614],
    [-8.6115, -15.8521, -9.24525, -15.8375],
    [34.163, 34.163, 39.6345, 40.8409],
    [68.22, f64::NAN, 68.0378, 73.5917],
    [91.4268, 93.5319, 91.2244, 93.327],
    [45.3291, 45.3291, 45.2512, 45.0601],
    [-15.1937, -12.9374, -12.4547, -12.5647],
    [64.2384, 68.8521, 64.3244, 69.7411],
    [65.1058, f64::NAN, 64.9622, 65.2215],
    [107.964, 110.05, 108.158, 110.641],
    [50.8982, 50.8982, 50.9067, 50.9056],
    [-10.2624, -10.2624, -9.55907, -9.53866],
    [76.6568, 52.168, 76.9272, 52.447],
    [62.1881, f64::NAN, 62.0821, 65.3188],
    [81.5923, 83.5679, 81.474, 83.4456],
    [52.2093, 52.2093, 52.2936, 52.188],
    [-5.12856, -1.72425, -4.45723, -1.01681],
    [46.2077, 47.6945, 46.0957, 47.5185],
    [68.9304, f64::NAN, 70.145, 59.7474],
    [99.0079, 101.581, 98.3083, 100.348],
    [45.5352, 45.5352, 45.3676, 44.9114],
    [-11.8772, -6.11307, -11.9065, -6.09266],
    [46.5175, 52.2529, 46.3175, 51.7333],
    [61.2649, f64::NAN, 61.5513, 61.7788],
    [73.284, 75.4779, 71.8544, 74.9693],
    [43.5534, 43.5534, 43.549, 43.4914],
    [-10.6041, -10.6041, -11.8559, -11.9402],
    [54.6367, 61.5771, 54.2675, 61.0995],
    [66.8705, f64::NAN, 66.5417, 54.7495],
];

/// Numbers from -0.5 to 0.5, by Knuth's congruential generator.
fn draws(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / f64::from(1u32 << 31) - 0.5
    }
}

/// A series and its season: a line, a random walk, a season around 0, a growing season, a trend that goes astray.
fn drawn(number: usize) -> (Vec<f64>, usize) {
    let (count, season) = (24 + number * 17 % 61, [1, 4, 12][number % 3]);
    let mut draw = draws(number as u64 + 1);
    let (mut level, mut slope) = (50.0, 0.8);
    let value = |at: usize| {
        let wave = ((at % season.max(2)) * 5 % 7) as f64 - 3.0;
        let (at, chance) = (at as f64, draw());
        match number % 5 {
            0 => 50.0 + 0.7 * at + 6.0 * chance,
            1 => {
                level += 4.0 * chance;
                level
            }
            2 => 2.0 * wave + 10.0 * chance - 10.0,
            3 => (30.0 + 0.5 * at) * (1.0 + 0.08 * wave) * (1.0 + 0.1 * chance),
            _ => {
                slope = slope * 0.93 + 0.4 * chance;
                level += slope;
                level + if season > 1 { 2.0 * wave } else { 0.0 }
            }
        }
    };
    ((0..count).map(value).collect(), season)
}

#[test]
fn drawn_series_have_the_forecasts_of_statsforecast() {
    for (number, expected) in FORECASTS.iter().enumerate() {
        let (values, season) = drawn(number);
        let of = |model: Forecaster| {
            let found = model.forecast(&values, 4, &mut None);
            [found[0], found[3]]
        };
        let ets = of(Forecaster::Ets { season, refit_every: 1 });
        let theta = of(Forecaster::Theta { season, refit_every: 1 });
        for (found, expected) in ets.into_iter().chain(theta).zip(expected).filter(|(_, expected)| !expected.is_nan()) {
            let apart = (found - expected).abs() / expected.abs().max(10.0);
            assert!(apart < 0.005, "series {number}, season {season}: {found} instead of {expected}");
        }
    }
}
