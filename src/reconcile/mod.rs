//! What becomes of what was predicted: things that Planet goes on with are followed to their final figures, and the
//! books corrected with what those show.
//!
//! Only a figure of Planet's, or a state that its texts say is free, corrects anything; where there is none the
//! prediction stands. Nothing is given back because time has passed.
//!
//! Once a day Planet's own figures of what the account has used are laid beside the books: what was spent elsewhere
//! is entered, and people are told when too much is.

mod comparer;
mod evidence;
mod figures;
mod follower;
mod readings;

pub use comparer::compare_daily;
pub use follower::follow;
