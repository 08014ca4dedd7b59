//! One type per quantity. Amounts are exact: whole millionths, checked arithmetic, and a rounding
//! direction in every name that rounds. Floats never come in here.
#![deny(clippy::float_arithmetic, clippy::as_conversions)]

mod amount;
mod quantity;
mod unit;
mod window;

pub use amount::{Amount, InvalidAmount};
pub use quantity::{ByteCount, Percent, Pu, SquareKm};
pub use unit::{Amounts, Unit};
pub use window::{Span, UtcTime, Window, WindowKind, today, tomorrow};
