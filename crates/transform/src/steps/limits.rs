//! Limits of numbers, as `clip` and `outliers` know them, compared in the column's own type and to the digit: a float64
//! does not distinguish 2^53 from its neighbour.

use polars::prelude::DataType;
use schemars::JsonSchema;
use serde::Serialize;
use spec::{Error, Result, Scalar};

use super::scalar::as_cell;
use crate::plan::{Bound, Limits, Plan, whole_cell};

/// `min` and `max` as written, at least one of them.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Given {
    pub min: Option<Scalar>,
    pub max: Option<Scalar>,
}

impl Given {
    /// Fails if both are missing, if one is not a number, or if they are crossed.
    pub fn new(min: Option<Scalar>, max: Option<Scalar>) -> Result<Given> {
        for limit in [&min, &max].into_iter().flatten() {
            if !matches!(limit, Scalar::Int(_) | Scalar::Float(_)) {
                return Err(Error::cannot_run(format!("limit '{limit}' is not a number")));
            }
        }
        match (&min, &max) {
            (None, None) => Err(Error::cannot_run("give 'min', 'max' or both")),
            (Some(low), Some(high)) if is_above(low, high) => {
                Err(Error::cannot_run(format!("min {low} is above max {high}")))
            }
            _ => Ok(Given { min, max }),
        }
    }

    /// In the type of column `name`. Whole numbers have no limit with a fraction: the next number inside takes its place.
    ///
    /// # Errors
    /// A decimal or float that cannot hold the limit to the digit.
    pub fn in_type(&self, plan: &Plan, name: &str, dtype: &DataType) -> Result<Limits> {
        let low =
            self.min.as_ref().map(|limit| held(limit, Side::Low, dtype).ok_or_else(|| lost(plan, name, dtype, limit)));
        let high =
            self.max.as_ref().map(|limit| held(limit, Side::High, dtype).ok_or_else(|| lost(plan, name, dtype, limit)));
        Ok(Limits::Given {
            low: low.transpose()?.unwrap_or(Bound::None),
            high: high.transpose()?.unwrap_or(Bound::None),
        })
    }

    /// Likewise, for limits that cells may become: those beyond the type are errors too.
    pub fn within_type(&self, plan: &Plan, name: &str, dtype: &DataType) -> Result<Limits> {
        let limits = self.in_type(plan, name, dtype)?;
        if let Limits::Given { low, high } = &limits {
            for (limit, given) in [(low, &self.min), (high, &self.max)] {
                if let Some(given) = given.as_ref().filter(|_| !matches!(limit, Bound::At(_))) {
                    return Err(lost(plan, name, dtype, given));
                }
            }
        }
        Ok(limits)
    }
}

fn lost(plan: &Plan, name: &str, dtype: &DataType, limit: &Scalar) -> Error {
    let found = artifact::type_name(dtype);
    plan.error(format!("column '{name}' is {found}, which cannot hold {limit}"))
        .hint("choose a limit within the type, or cast the column first")
}

fn is_above(low: &Scalar, high: &Scalar) -> bool {
    match (low, high) {
        (Scalar::Int(low), Scalar::Int(high)) => low > high,
        (Scalar::Float(low), Scalar::Float(high)) => low > high,
        (Scalar::Int(low), Scalar::Float(high)) => (*low as i128) > high.floor() as i128,
        (Scalar::Float(low), Scalar::Int(high)) => low.ceil() as i128 > (*high as i128),
        _ => false,
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Low,
    High,
}

/// The limit in the type of a column; none if that would change it.
fn held(limit: &Scalar, side: Side, dtype: &DataType) -> Option<Bound> {
    let beyond = |is_above: bool| match is_above == (side == Side::High) {
        true => Bound::None,
        false => Bound::All,
    };
    match limit {
        Scalar::Float(limit) if limit.is_infinite() => return Some(beyond(*limit > 0.0)),
        _ if !dtype.is_integer() => return as_cell(limit, dtype).map(Bound::At),
        _ => {}
    }
    let whole = match limit {
        Scalar::Int(limit) => i128::from(*limit),
        Scalar::Float(limit) if side == Side::Low => limit.ceil() as i128,
        Scalar::Float(limit) => limit.floor() as i128,
        _ => return None,
    };
    let (least, most) = range_of(dtype)?;
    Some(match whole {
        _ if whole < least => beyond(false),
        _ if whole > most => beyond(true),
        // In the column's own type: int64 beside uint64 would be compared as floats.
        _ => Bound::At(whole_cell(whole, dtype)?),
    })
}

fn range_of(dtype: &DataType) -> Option<(i128, i128)> {
    macro_rules! of {
        ($type:ty) => {
            (i128::from(<$type>::MIN), i128::from(<$type>::MAX))
        };
    }
    Some(match dtype {
        DataType::Int8 => of!(i8),
        DataType::Int16 => of!(i16),
        DataType::Int32 => of!(i32),
        DataType::Int64 => of!(i64),
        DataType::UInt8 => of!(u8),
        DataType::UInt16 => of!(u16),
        DataType::UInt32 => of!(u32),
        DataType::UInt64 => of!(u64),
        _ => return None,
    })
}
