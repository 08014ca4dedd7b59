//! Steps on meters: what a reading comes to is kept whole, its adjustment included.

use std::collections::BTreeSet;

use super::Desk;
use crate::ledger::{AccountKey, EntryKind, LedgerError, NewReservation, Reading, TRUE_UP};
use crate::units::UtcTime;

impl Desk {
    pub(in crate::store) fn keep_reading(
        &mut self,
        reading: &Reading,
        now: UtcTime,
    ) -> Result<bool, LedgerError> {
        self.must_live()?;
        let key = reading.meter.key();
        if self.meters.get(&key).map(|meter| meter.read_at) != reading.before {
            return Ok(false);
        }
        if let Some(external) = &reading.external
            && self.find(external.request)?.is_none()
        {
            self.adjust(external, now)?;
        }
        if let Some(note) = &reading.note {
            self.note(TRUE_UP, note.clone(), now);
        }
        self.meters.insert(key.clone(), reading.meter.clone());
        let fresh = reading.before.is_none();
        self.changed.meters.entry(key).or_insert(fresh);
        Ok(true)
    }

    /// Books what no limit refuses, for it was spent: reserved and settled at once.
    fn adjust(&mut self, external: &NewReservation, now: UtcTime) -> Result<(), LedgerError> {
        external.check_claims()?;
        let accounts = external.claims.iter().map(|claim| &claim.account);
        let keys: BTreeSet<_> = accounts.map(AccountKey::from).collect();
        self.whole(&keys, |desk| {
            desk.enter(external.held(now), &[EntryKind::Reserve], true, now)?;
            desk.enter(external.adjusted(now), &[EntryKind::Settle], true, now)
        })
    }
}
