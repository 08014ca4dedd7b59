//! Steps on what is followed. They move no amount.

use std::collections::btree_map::Entry;

use super::Desk;
use crate::ledger::{Followed, LedgerError, NewFollowed, RequestId, Seen, TRUE_UP};
use crate::units::UtcTime;

impl Desk {
    pub(in crate::store) fn follow(
        &mut self,
        new: &NewFollowed,
        now: UtcTime,
    ) -> Result<(), LedgerError> {
        self.must_live()?;
        self.must_find(new.request)?;
        if let Entry::Vacant(place) = self.followed.entry(new.request) {
            place.insert(new.begin(now));
            self.changed.followed.insert(new.request);
        }
        Ok(())
    }

    pub(in crate::store) fn due(
        &mut self,
        limit: u32,
        now: UtcTime,
    ) -> Result<Vec<Followed>, LedgerError> {
        self.must_live()?;
        let mut due: Vec<&mut Followed> = self.followed.values_mut().collect();
        due.retain(|one| one.is_due(now));
        due.sort_by_key(|one| (one.next_at, one.request));
        let changed = &mut self.changed.followed;
        let taken = due.into_iter().zip(0..limit).map(|(one, _)| {
            one.put_off(now);
            changed.insert(one.request);
            one.clone()
        });
        Ok(taken.collect())
    }

    pub(in crate::store) fn see(
        &mut self,
        request: RequestId,
        seen: &Seen,
        now: UtcTime,
    ) -> Result<(), LedgerError> {
        self.must_live()?;
        let one = self.followed.get_mut(&request);
        let note = one.ok_or(LedgerError::NotFollowed(request))?.see(seen, now);
        self.changed.followed.insert(request);
        if let Some(note) = note {
            self.note(TRUE_UP, note, now);
        }
        Ok(())
    }
}
