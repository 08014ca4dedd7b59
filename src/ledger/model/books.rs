//! The steps on reservations, and the balances that follow from them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::lives::{Life, Slice};
use crate::ledger::{
    AccountKey, Balance, Breach, Cap, Commitment, CommitmentId, Draws, Entry, EntryKind, Epoch,
    Event, Evidence, Followed, GUARD, Kept, Land, LandQuery, LedgerError, MOST_ACCOUNT_BYTES,
    MOST_ANSWER_BYTES, MOST_OUTLINE_BYTES, Meter, NewReservation, NewTopUp, Outcome, Reading,
    Record, ReplicaId, RequestId, Reserved, Standing, State, TRUE_UP, TopUp, Turn, changes, drawn,
    left, redraw,
};
use crate::policy::{Account, Claim};
use crate::units::{Amount, Unit, UtcTime};

#[derive(Clone, Debug, Default)]
pub(super) struct Books {
    pub(super) accounts: BTreeMap<AccountKey, Account>,
    pub(super) records: BTreeMap<RequestId, Record>,
    /// Which life holds a reservation that is under way.
    pub(super) holders: BTreeMap<RequestId, Epoch>,
    pub(super) lives: BTreeMap<Epoch, Life>,
    pub(super) slices: BTreeMap<(Epoch, AccountKey), Slice>,
    /// When an account's leases were last recalled.
    pub(super) recalls: BTreeMap<AccountKey, UtcTime>,
    pub(super) followed: BTreeMap<RequestId, Followed>,
    pub(super) meters: BTreeMap<(Arc<str>, Arc<str>, Unit), Meter>,
    pub(super) top_ups: Vec<TopUp>,
    draws: BTreeMap<AccountKey, Draws>,
    caps: BTreeMap<ReplicaId, Vec<Cap>>,
    pub(super) commitments: BTreeMap<CommitmentId, Commitment>,
    /// What was settled and then given back.
    returned: BTreeMap<AccountKey, Amount>,
    pub(super) land: BTreeMap<RequestId, (Land, Vec<AccountKey>)>,
    pub(super) entries: Vec<Entry>,
    pub(super) events: Vec<Event>,
}

/// One line of the journal, before it is numbered.
pub(super) struct Line<'a> {
    pub(super) request: Option<RequestId>,
    pub(super) account: &'a Account,
    pub(super) kind: EntryKind,
    pub(super) reserved: Amount,
    pub(super) charged: Amount,
    pub(super) note: Arc<str>,
    /// The limit against which top-ups are drawn; `None` leaves them alone.
    pub(super) limit: Option<Amount>,
}

impl<'a> Line<'a> {
    pub(super) fn of_lease(
        account: &'a Account,
        kind: EntryKind,
        amount: Amount,
        limit: Option<Amount>,
    ) -> Self {
        Self {
            request: None,
            account,
            kind,
            reserved: amount,
            charged: Amount::ZERO,
            note: "".into(),
            limit,
        }
    }

    /// A lease that neither grows nor shrinks need not be written down.
    fn says_nothing(&self) -> bool {
        let of_a_request = self.kind == EntryKind::Spend || self.request.is_some();
        !of_a_request && self.reserved.is_zero()
    }
}

impl Books {
    pub(super) fn reserve(
        &mut self,
        me: Epoch,
        new: &NewReservation,
        now: UtcTime,
    ) -> Result<Reserved, LedgerError> {
        if let Some(record) = self.records.get(&new.request) {
            return if new.repeats(record) {
                self.standings(me, &new.claims, now).map(Reserved::Granted)
            } else {
                Err(LedgerError::Reused(new.request))
            };
        }
        new.check_claims()?;
        let mut breaches = Vec::new();
        for claim in &new.claims {
            breaches.extend(self.breach(me, claim, now)?);
        }
        if !breaches.is_empty() {
            return Ok(Reserved::Full(breaches));
        }
        self.holders.insert(new.request, me);
        self.enter(Some(me), &new.held(now), &[EntryKind::Reserve], now)?;
        self.standings(me, &new.claims, now).map(Reserved::Granted)
    }

    pub(super) fn close(
        &mut self,
        me: Epoch,
        request: RequestId,
        outcome: &Outcome,
        now: UtcTime,
    ) -> Result<Vec<Standing>, LedgerError> {
        let record = self.find(request)?;
        let claims = record.claims.clone();
        if record.state == State::stopped()
            && let Some(evidence) = Evidence::of_the_guard_itself(outcome)
        {
            return self.reconcile(me, request, &evidence, now);
        }
        if record.state == State::Held {
            let kind = match outcome {
                Outcome::Settled(_) => EntryKind::Settle,
                Outcome::Voided => EntryKind::Void,
                Outcome::Unknown { .. } => EntryKind::Unknown,
            };
            self.holders.remove(&request);
            self.enter(
                Some(me),
                &record.entering(outcome.state(), now),
                &[kind],
                now,
            )?;
        }
        self.standings(me, &claims, now)
    }

    pub(super) fn reconcile(
        &mut self,
        me: Epoch,
        request: RequestId,
        evidence: &Evidence,
        now: UtcTime,
    ) -> Result<Vec<Standing>, LedgerError> {
        let record = self.find(request)?;
        let claims = record.claims.clone();
        let frees_land = evidence.frees_land(&record);
        let kinds: &[EntryKind] = match record.state {
            State::Unknown { .. } => &[EntryKind::Reconcile],
            ref state if state.is_only_predicted() => &[EntryKind::Reopen, EntryKind::Reconcile],
            State::Reconciled(_) => return self.standings(me, &claims, now),
            State::Held | State::Settled(_) | State::Voided => {
                return Err(LedgerError::NotInDoubt(request));
            }
        };
        let state = State::Reconciled(evidence.clone());
        self.enter(Some(me), &record.entering(state, now), kinds, now)?;
        self.note(&evidence.by, evidence.event(request), now);
        if frees_land {
            self.land.remove(&request);
        }
        self.standings(me, &claims, now)
    }

    pub(super) fn keep_reading(
        &mut self,
        me: Epoch,
        reading: &Reading,
        now: UtcTime,
    ) -> Result<bool, LedgerError> {
        let key = reading.meter.key();
        if self.meters.get(&key).map(|meter| meter.read_at) != reading.before {
            return Ok(false);
        }
        if let Some(external) = &reading.external
            && !self.records.contains_key(&external.request)
        {
            external.check_claims()?;
            self.enter(Some(me), &external.held(now), &[EntryKind::Reserve], now)?;
            let adjusted = external.adjusted(now);
            self.enter(Some(me), &adjusted, &[EntryKind::Settle], now)?;
        }
        if let Some(note) = &reading.note {
            self.note(TRUE_UP, note.clone(), now);
        }
        self.meters.insert(key, reading.meter.clone());
        Ok(true)
    }

    pub(super) fn keep(
        &mut self,
        me: Epoch,
        turn: &Turn,
        now: UtcTime,
    ) -> Result<Kept, LedgerError> {
        let next = &turn.commitment;
        let known = self.commitments.get(&next.id);
        if known == Some(next) {
            return Ok(Kept::Kept(Vec::new()));
        }
        if next.version != known.map_or(1, |known| known.version + 1) {
            return Ok(Kept::Overtaken(known.cloned().map(Box::new)));
        }
        let mut short = Vec::new();
        if let Some(takes) = &turn.takes {
            takes.check_claims()?;
            if self.records.contains_key(&takes.request) {
                return Err(LedgerError::Reused(takes.request));
            }
            for claim in &takes.claims {
                short.extend(self.breach(me, claim, now)?);
            }
        }
        for (account, amount) in &turn.gives_back {
            self.give_back(account, *amount, turn, now)?;
        }
        if !turn.gives_back.is_empty()
            && let Some(record) = self.records.get_mut(&next.id.request)
            && let Some(state) = record.state.partly_given_back()
        {
            record.state = state;
        }
        if let Some(takes) = &turn.takes {
            let kinds = [EntryKind::Reserve, EntryKind::Settle];
            self.enter(Some(me), &takes.settled(now), &kinds, now)?;
        }
        let told = short.iter().map(|breach| turn.short(breach));
        for what in told.chain(turn.why.clone()).collect::<Vec<_>>() {
            self.note(GUARD, what, now);
        }
        if turn.frees_land() {
            self.land.remove(&next.id.request);
        }
        self.commitments.insert(next.id, next.clone());
        Ok(Kept::Kept(short))
    }

    /// No more than is settled there.
    fn give_back(
        &mut self,
        account: &Account,
        amount: Amount,
        turn: &Turn,
        now: UtcTime,
    ) -> Result<(), LedgerError> {
        let amount = amount.min(self.balance(account)?.settled);
        let key = AccountKey::from(account);
        let returned = self.returned.entry(key).or_default();
        *returned = returned.saturating_add(amount);
        for (kind, charged) in [
            (EntryKind::Reopen, amount),
            (EntryKind::Reconcile, Amount::ZERO),
        ] {
            let line = Line {
                charged,
                note: turn.why.as_deref().unwrap_or_default().into(),
                ..Line::of_lease(account, kind, amount, None)
            };
            self.write(line, now)?;
        }
        Ok(())
    }

    pub(super) fn lock_land(&mut self, land: &Land) -> Result<bool, LedgerError> {
        let record = self.find(land.request)?;
        let accounts: Vec<_> = record
            .land_accounts()
            .into_iter()
            .map(AccountKey::from)
            .collect();
        let full = accounts
            .iter()
            .any(|account| self.land_bytes(account) >= MOST_ACCOUNT_BYTES);
        if accounts.is_empty() || land.outline.len() > MOST_OUTLINE_BYTES || full {
            return Ok(false);
        }
        self.land
            .entry(land.request)
            .or_insert((land.clone(), accounts));
        Ok(true)
    }

    fn land_bytes(&self, account: &AccountKey) -> u64 {
        let own = self
            .land
            .values()
            .filter(|(_, accounts)| accounts.contains(account));
        own.map(|(land, _)| bytes(land)).sum()
    }

    pub(super) fn locked_land(&self, query: &LandQuery) -> Vec<Arc<str>> {
        let wanted: Vec<_> = query.accounts.iter().map(AccountKey::from).collect();
        let found = self.land.values().rev().filter(|(land, accounts)| {
            query.meets(land) && wanted.iter().all(|account| accounts.contains(account))
        });
        let fitting = found.scan(0, |sum, (land, _)| {
            *sum += bytes(land);
            (*sum <= MOST_ANSWER_BYTES).then(|| Arc::clone(&land.outline))
        });
        let mut outlines: Vec<_> = fitting.collect();
        outlines.reverse();
        outlines
    }

    pub(super) fn top_up(&mut self, new: NewTopUp, now: UtcTime) -> Result<TopUp, LedgerError> {
        if let Some(before) = TopUp::given_before(&new, &self.top_ups)? {
            return Ok(before.clone());
        }
        let id = self.top_ups.last().map_or(1, |last| last.id + 1);
        let top_up = TopUp::of(new, id, now);
        self.note(&top_up.by, top_up.event(), now);
        self.top_ups.push(top_up.clone());
        Ok(top_up)
    }

    pub(super) fn publish(&mut self, replica: ReplicaId, caps: &[Cap], now: UtcTime) {
        if let Some(before) = self.caps.insert(replica, caps.to_vec()) {
            for change in changes(&before, caps) {
                self.note(&replica.to_string(), change, now);
            }
        }
    }

    pub(super) fn published(&self) -> Vec<(ReplicaId, Cap)> {
        let living = |replica: &ReplicaId| self.lives.values().any(|life| life.is_of(*replica));
        let all = self.caps.iter().filter(|(replica, _)| living(replica));
        all.flat_map(|(replica, caps)| caps.iter().map(|cap| (*replica, cap.clone())))
            .collect()
    }

    pub(super) fn note(&mut self, by: &str, what: String, at: UtcTime) {
        let sequence = self.events.last().map_or(1, |last| last.sequence + 1);
        self.events.push(Event {
            sequence,
            at,
            by: by.to_owned(),
            what,
        });
    }

    pub(super) fn find(&self, request: RequestId) -> Result<Record, LedgerError> {
        let record = self.records.get(&request).cloned();
        record.ok_or(LedgerError::NotReserved(request))
    }

    /// Puts a record in its new state, with a line for each claim and kind. Without a life to act for,
    /// top-ups are left alone: what is used stays the same.
    pub(super) fn enter(
        &mut self,
        me: Option<Epoch>,
        record: &Record,
        kinds: &[EntryKind],
        now: UtcTime,
    ) -> Result<(), LedgerError> {
        let before = self.records.insert(record.request, record.clone());
        for claim in &record.claims {
            for kind in kinds {
                let state = match kind {
                    EntryKind::Reserve => &State::Held,
                    EntryKind::Reopen => before.as_ref().map_or(&record.state, |old| &old.state),
                    _ => &record.state,
                };
                let line = Line {
                    request: Some(record.request),
                    account: &claim.account,
                    kind: *kind,
                    reserved: claim.amount,
                    charged: state.charged(claim).unwrap_or_default(),
                    note: state.note(),
                    limit: me.and_then(|me| self.limit(me, claim)),
                };
                self.write(line, now)?;
            }
        }
        Ok(())
    }

    /// Adds a line, and lets the window draw what it needs of its top-ups now.
    pub(super) fn write(&mut self, line: Line<'_>, now: UtcTime) -> Result<(), LedgerError> {
        if line.says_nothing() {
            return Ok(());
        }
        let key = AccountKey::from(line.account);
        let row = self.accounts.entry(key.clone());
        let account = row.or_insert_with(|| line.account.clone()).clone();
        let limit = line.limit;
        self.push(line, account.clone(), now);
        let used = used(&self.balance(&account)?)?;
        let Some(limit) = limit else {
            return Ok(());
        };
        let draws = self.draws.entry(key).or_default();
        let before = drawn(draws);
        let mut own: Vec<_> = self
            .top_ups
            .iter_mut()
            .filter(|top| top.is_for(&account))
            .collect();
        redraw(&mut own, draws, used.minus(limit), now);
        let after = drawn(draws);
        for (kind, amount) in [
            (EntryKind::Draw, after.minus(before)),
            (EntryKind::Undraw, before.minus(after)),
        ] {
            if !amount.is_zero() {
                let line = Line::of_lease(&account, kind, amount, None);
                self.push(line, account.clone(), now);
            }
        }
        Ok(())
    }

    fn push(&mut self, line: Line<'_>, account: Account, now: UtcTime) {
        let sequence = self.entries.last().map_or(1, |last| last.sequence + 1);
        self.entries.push(Entry {
            sequence,
            at: now,
            request: line.request,
            account,
            kind: line.kind,
            reserved: line.reserved,
            charged: line.charged,
            note: line.note,
        });
    }

    fn breach(
        &self,
        me: Epoch,
        claim: &Claim,
        now: UtcTime,
    ) -> Result<Option<Breach>, LedgerError> {
        let balance = self.balance(&claim.account)?;
        let sum = used(&balance)?.checked_add(claim.amount);
        match (self.limit(me, claim), sum) {
            (Some(limit), Some(sum)) if sum <= self.most(limit, &balance, now) => Ok(None),
            (Some(limit), _) => Ok(Some(Breach {
                account: claim.account.clone(),
                needed: claim.amount,
                remaining: self.remaining(limit, &balance, now),
                limit,
                elsewhere: self.elsewhere(me, &claim.account),
            })),
            (None, Some(_)) => Ok(None),
            (None, None) => Err(overflow(&claim.account)),
        }
    }

    pub(super) fn standings(
        &self,
        me: Epoch,
        claims: &[Claim],
        now: UtcTime,
    ) -> Result<Vec<Standing>, LedgerError> {
        let standing = |claim: &Claim| {
            let balance = self.balance(&claim.account)?;
            used(&balance)?;
            let limit = self.limit(me, claim).or(claim.limit);
            Ok(Standing {
                account: claim.account.clone(),
                limit,
                remaining: limit.map(|limit| self.remaining(limit, &balance, now)),
            })
        };
        claims.iter().map(standing).collect()
    }

    /// The lowest limit that any policy in force sets; `None` where nothing refuses.
    pub(super) fn limit(&self, me: Epoch, claim: &Claim) -> Option<Amount> {
        let own = self.lives.get(&me).map(|life| life.replica);
        let others = self.published().into_iter().filter(|(replica, cap)| {
            Some(*replica) != own
                && cap.budget == claim.account.budget
                && cap.unit == claim.account.unit
        });
        let theirs = others.filter_map(|(_, cap)| cap.limit);
        theirs.chain(claim.limit.filter(|_| claim.enforced)).min()
    }

    /// The limit with all that top-ups allow beyond it.
    pub(super) fn most(&self, limit: Amount, balance: &Balance, now: UtcTime) -> Amount {
        let own = self
            .top_ups
            .iter()
            .filter(|top| top.is_for(&balance.account));
        limit
            .saturating_add(balance.drawn)
            .saturating_add(left(own, now))
    }

    pub(super) fn remaining(&self, limit: Amount, balance: &Balance, now: UtcTime) -> Amount {
        let used = balance.used().unwrap_or(Amount::MAX);
        self.most(limit, balance, now).minus(used)
    }

    /// The sum of all that was ever claimed or leased of the account, each in the column of its state.
    pub(super) fn balance(&self, account: &Account) -> Result<Balance, LedgerError> {
        let key = AccountKey::from(account);
        let mut balance = Balance::empty(self.accounts.get(&key).unwrap_or(account).clone());
        let mut returned = self.returned.get(&key).copied().unwrap_or_default();
        balance.drawn = self.draws.get(&key).map_or(Amount::ZERO, drawn);
        for record in self.records.values() {
            let own = |claim: &&Claim| key.is_of(&claim.account);
            for claim in record.claims.iter().filter(own) {
                let added = add(&mut balance, &mut returned, claim, &record.state);
                added.ok_or_else(|| overflow(account))?;
            }
        }
        for ((_, leased), slice) in &self.slices {
            if *leased == key {
                let sum = balance.leased.checked_add(slice.amount);
                balance.leased = sum.ok_or_else(|| overflow(account))?;
            }
        }
        Ok(balance)
    }
}

/// `returned` is what was given back of the account, and is not in the sum yet.
fn add(balance: &mut Balance, returned: &mut Amount, claim: &Claim, state: &State) -> Option<()> {
    match (state, state.charged(claim)) {
        (_, Some(charged)) => {
            let settled = charged.min(claim.amount);
            balance.settled = balance.settled.checked_add(settled.minus(*returned))?;
            *returned = returned.minus(settled);
            balance.overrun = balance.overrun.checked_add(charged.minus(claim.amount))?;
        }
        (State::Held, None) => balance.held = balance.held.checked_add(claim.amount)?,
        (_, None) => balance.unknown = balance.unknown.checked_add(claim.amount)?,
    }
    Some(())
}

fn bytes(land: &Land) -> u64 {
    u64::try_from(land.outline.len()).unwrap_or(u64::MAX)
}

fn used(balance: &Balance) -> Result<Amount, LedgerError> {
    balance.used().ok_or_else(|| overflow(&balance.account))
}

pub(super) fn overflow(account: &Account) -> LedgerError {
    LedgerError::Overflow {
        budget: Arc::clone(&account.budget),
    }
}
