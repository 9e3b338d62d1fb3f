use super::*;

mod statsforecast;

const GAP: f64 = f64::NAN;

/// A season of four over a slow trend, with something in it that does not repeat.
fn seasonal(periods: usize) -> Vec<f64> {
    (0..periods)
        .map(|at| 40.0 + 0.3 * at as f64 + [6.0, -2.0, -7.0, 3.0][at % 4] + (at * 37 % 11) as f64 * 0.4)
        .collect()
}

const ALL: [Forecaster; 4] = [
    Forecaster::Ets { season: 4, refit_every: 1 },
    Forecaster::Theta { season: 4, refit_every: 5 },
    Forecaster::Ets { season: 1, refit_every: 7 },
    Forecaster::Croston { variant: Variant::Sba, smoothing: 0.2 },
];

#[test]
fn what_was_fitted_before_changes_nothing() {
    let values = seasonal(60);
    for model in ALL {
        let mut known = None;
        for cutoff in 0..=values.len() {
            let again = model.forecast(&values[..cutoff], 6, &mut known);
            let alone = model.forecast(&values[..cutoff], 6, &mut None);
            let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<u64>>();
            assert_eq!(bits(&again), bits(&alone), "{model:?} at {cutoff}");
        }
    }
}

#[test]
fn a_model_is_fitted_again_when_the_series_has_so_many_periods_more() {
    let values = seasonal(60);
    for model in [Forecaster::Ets { season: 12, refit_every: 7 }, Forecaster::Theta { season: 12, refit_every: 7 }] {
        let mut known: Option<Fitted> = None;
        for cutoff in 7..=values.len() {
            model.forecast(&values[..cutoff], 1, &mut known);
            let fitted = known.as_ref().unwrap().values.len();
            // With 24 values the season is known, which numbers of the first 21 do not know.
            let expected = if (24..28).contains(&cutoff) { cutoff } else { cutoff - cutoff % 7 };
            assert_eq!(fitted, expected, "{model:?} at {cutoff}");
        }
    }
}

#[test]
fn what_was_fitted_to_other_values_is_not_used() {
    let (values, others) = (seasonal(40), seasonal(80)[40..].to_vec());
    for model in ALL {
        let mut known = None;
        model.forecast(&others, 3, &mut known);
        assert_eq!(model.forecast(&values, 3, &mut known), model.forecast(&values, 3, &mut None), "{model:?}");
    }
}

#[test]
fn gaps_lie_on_a_line_and_silence_moves_the_forecast_on() {
    let values = seasonal(40);
    let mut gappy = values.clone();
    gappy.insert(0, GAP);
    gappy[21] = GAP;
    let mut filled = values.clone();
    filled[20] = (values[19] + values[21]) / 2.0;
    for model in &ALL[..3] {
        assert_eq!(model.forecast(&gappy, 3, &mut None), model.forecast(&filled, 3, &mut None));
        gappy.extend([GAP, GAP]);
        assert_eq!(model.forecast(&gappy, 3, &mut None), model.forecast(&filled, 5, &mut None)[2..]);
        gappy.truncate(41);
    }
    let croston = ALL[3];
    assert_eq!(
        croston.forecast(&[GAP, 2.0, GAP, 0.0, 3.0], 2, &mut None),
        croston.forecast(&[2.0, 0.0, 3.0], 2, &mut None)
    );
}

#[test]
fn too_little_gives_nothing_and_what_never_changes_goes_on() {
    for model in &ALL[..3] {
        assert!(model.forecast(&[1.0, 2.0, 3.0, 4.0], 2, &mut None).iter().all(|value| value.is_nan()));
        assert_eq!(model.forecast(&[7.0; 9], 2, &mut None), [7.0, 7.0]);
        assert!(model.forecast(&[], 2, &mut None)[1].is_nan() && model.forecast(&[GAP; 9], 1, &mut None)[0].is_nan());
        // A long quiet time before: there is no model of it alone.
        let mut late = vec![5.0; 30];
        late.extend(seasonal(3));
        assert!(model.forecast(&late, 1, &mut None)[0].is_finite());
    }
    assert_eq!(ALL[3].forecast(&[0.0; 9], 2, &mut None), [0.0, 0.0]);
}

/// International airline passengers by month, 1949 to 1960, in thousands (Box and Jenkins 1976, series G).
#[rustfmt::skip]
const PASSENGERS: [f64; 144] = [
    112.0, 118.0, 132.0, 129.0, 121.0, 135.0, 148.0, 148.0, 136.0, 119.0, 104.0, 118.0, 115.0, 126.0, 141.0,
    135.0, 125.0, 149.0, 170.0, 170.0, 158.0, 133.0, 114.0, 140.0, 145.0, 150.0, 178.0, 163.0, 172.0, 178.0,
    199.0, 199.0, 184.0, 162.0, 146.0, 166.0, 171.0, 180.0, 193.0, 181.0, 183.0, 218.0, 230.0, 242.0, 209.0,
    191.0, 172.0, 194.0, 196.0, 196.0, 236.0, 235.0, 229.0, 243.0, 264.0, 272.0, 237.0, 211.0, 180.0, 201.0,
    204.0, 188.0, 235.0, 227.0, 234.0, 264.0, 302.0, 293.0, 259.0, 229.0, 203.0, 229.0, 242.0, 233.0, 267.0,
    269.0, 270.0, 315.0, 364.0, 347.0, 312.0, 274.0, 237.0, 278.0, 284.0, 277.0, 317.0, 313.0, 318.0, 374.0,
    413.0, 405.0, 355.0, 306.0, 271.0, 306.0, 315.0, 301.0, 356.0, 348.0, 355.0, 422.0, 465.0, 467.0, 404.0,
    347.0, 305.0, 336.0, 340.0, 318.0, 362.0, 348.0, 363.0, 435.0, 491.0, 505.0, 404.0, 359.0, 310.0, 337.0,
    360.0, 342.0, 406.0, 396.0, 420.0, 472.0, 548.0, 559.0, 463.0, 407.0, 362.0, 405.0, 417.0, 391.0, 419.0,
    461.0, 472.0, 535.0, 622.0, 606.0, 508.0, 461.0, 390.0, 432.0,
];

#[test]
fn forecasts_are_those_of_statsforecast() {
    // statsforecast 2.1.1: AutoETS and AutoTheta of all months, of the first 100, and of every third.
    let (all, third): (Vec<f64>, Vec<f64>) = (PASSENGERS.to_vec(), PASSENGERS.iter().step_by(3).copied().collect());
    let ets = |season| Forecaster::Ets { season, refit_every: 1 };
    let theta = |season| Forecaster::Theta { season, refit_every: 1 };
    for (model, values, expected) in [
        // ETS(M,A,N), (M,N,M), (M,N,N), (M,N,M), (M,A,N), (M,A,M)
        (ets(1), &all[..], [436.1567, 440.3171, 444.4776, 448.6381]),
        (ets(12), &all, [442.3572, 428.2674, 492.9748, 477.3700]),
        (ets(1), &all[..100], [348.0008, 348.0008, 348.0008, 348.0008]),
        (ets(12), &all[..100], [334.1708, 374.9326, 417.1547, 407.0011]),
        (ets(1), &third, [501.7777, 512.1384, 522.4991, 532.8598]),
        (ets(12), &third, [446.2201, 476.8567, 602.1800, 459.7368]),
        (theta(1), &all, [433.7215, 435.8345, 437.9475, 440.0606]),
        (theta(12), &all, [442.9425, 432.2310, 495.3079, 482.3080]),
        (theta(1), &all[..100], [350.3218, 352.5465, 354.7713, 356.9961]),
        (theta(12), &all[..100], [345.4932, 390.4346, 431.4382, 429.0519]),
        (theta(12), &third, [491.3784, 499.6047, 507.8311, 516.0575]),
    ] {
        let found = model.forecast(values, 4, &mut None);
        for (found, expected) in found.iter().zip(expected) {
            let apart = (found - expected).abs() / expected;
            assert!(apart < 0.005, "{model:?} of {} values: {found} instead of {expected}", values.len());
        }
    }
    // CrostonClassic, CrostonSBA, TSB(0.1, 0.1)
    let rare = [0.0, 0.0, 3.0, 0.0, 1.0, 0.0, 0.0, 0.0, 4.0, 0.0, 2.0, 2.0, 0.0, 0.0];
    for (variant, expected) in [(Variant::Classic, 1.0099702), (Variant::Sba, 0.95947169), (Variant::Tsb, 0.77708955)] {
        let found = Forecaster::Croston { variant, smoothing: 0.1 }.forecast(&rare, 1, &mut None)[0];
        assert!((found - expected).abs() < 1e-7, "{variant:?}: {found} instead of {expected}");
    }
}
