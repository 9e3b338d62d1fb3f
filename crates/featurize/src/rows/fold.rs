//! What is known of some rows in their order, joined from what is known of each.

use crate::interner::NULL;

/// What is known of some rows in their order, joined from what is known of each.
pub trait Fold: Copy + Send + Sync {
    const EMPTY: Self;
    /// Whether rows may be joined in parts of any size: sums of floats depend on it in their last digits.
    const IS_EXACT: bool;
    /// `later` are the rows that follow.
    fn join(self, later: Self) -> Self;
}

/// Count and sum.
#[derive(Clone, Copy)]
pub struct Total {
    pub count: u64,
    pub sum: f64,
}

impl Fold for Total {
    const EMPTY: Total = Total { count: 0, sum: 0.0 };
    const IS_EXACT: bool = false;
    fn join(self, later: Total) -> Total {
        Total { count: self.count + later.count, sum: self.sum + later.sum }
    }
}

/// Count, mean and the sum of squared deviations (Chan, Golub and LeVeque 1979).
#[derive(Clone, Copy)]
pub struct Moments {
    pub count: f64,
    pub mean: f64,
    pub squares: f64,
}

impl Fold for Moments {
    const EMPTY: Moments = Moments { count: 0.0, mean: 0.0, squares: 0.0 };
    const IS_EXACT: bool = false;
    fn join(self, later: Moments) -> Moments {
        if self.count == 0.0 || later.count == 0.0 {
            return if self.count == 0.0 { later } else { self };
        }
        let (count, apart) = (self.count + later.count, later.mean - self.mean);
        Moments {
            count,
            mean: self.mean + apart * (later.count / count),
            squares: self.squares + later.squares + apart * apart * (self.count * later.count / count),
        }
    }
}

/// The smallest and the largest value; NaN without any.
#[derive(Clone, Copy)]
pub struct Extremes {
    pub min: f64,
    pub max: f64,
}

impl Fold for Extremes {
    const EMPTY: Extremes = Extremes { min: f64::NAN, max: f64::NAN };
    const IS_EXACT: bool = true;
    fn join(self, later: Extremes) -> Extremes {
        // The minimum of a number and NaN is the number.
        Extremes { min: self.min.min(later.min), max: self.max.max(later.max) }
    }
}

/// The number of rows, the first and the last, by whatever numbers they go.
#[derive(Clone, Copy)]
pub struct Ends {
    pub count: u64,
    pub first: u32,
    pub last: u32,
}

impl Fold for Ends {
    const EMPTY: Ends = Ends { count: 0, first: NULL, last: NULL };
    const IS_EXACT: bool = true;
    fn join(self, later: Ends) -> Ends {
        Ends {
            count: self.count + later.count,
            first: if self.first == NULL { later.first } else { self.first },
            last: if later.last == NULL { self.last } else { later.last },
        }
    }
}

/// The latest of some times.
#[derive(Clone, Copy)]
pub struct Latest(pub i64);

impl Fold for Latest {
    const EMPTY: Latest = Latest(i64::MIN);
    const IS_EXACT: bool = true;
    fn join(self, later: Latest) -> Latest {
        Latest(self.0.max(later.0))
    }
}
