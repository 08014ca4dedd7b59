//! Forward fill is a commitment: the current window is asked for what it will still see, each new one for its own
//! share, and only the future is ever given back.

pub(crate) mod months;
mod stories;
