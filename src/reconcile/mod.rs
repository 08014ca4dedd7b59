//! What becomes of what was predicted: things that Planet goes on with are followed to their final figures, and the
//! books corrected with what those show.
//!
//! Only a figure of Planet's, or a state that its texts say is free, corrects anything; where there is none the
//! prediction stands. Nothing is given back because time has passed.

mod evidence;
mod follower;

pub use follower::{Follower, follow};
