//! Delivery to a stream: packs lines, lets the engine decide what goes when, and the transport carry it.

use std::collections::HashMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use nasalogs::delivery::{Engine, Options, Outcome, RecordOutcome, Request, ShardMap, Step};
use nasalogs::envelope::{LineId, RecordDecoder, RecordForm, SourceId, Span, StreamRecord};
use nasalogs::{Error, ErrorKind, Result};

use super::line::{Fate, LineDestination, SourceLine};
use super::packer::{self, Packer};
use super::report::{Delivered, ShardReport};
use super::spool::Spool;
use super::transport::{Event, Transport};

/// How often shards are asked for, at most.
const LIST_EVERY: Duration = Duration::from_secs(1);

/// How often it is said that nothing gets through, at most.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// A stream of Kinesis.
pub(super) struct Delivery {
    engine: Engine,
    packer: Packer,
    form: RecordForm,
    transport: Box<dyn Transport + Send>,
    /// Where lines go that cannot be delivered; without it the run ends.
    spool: Option<Spool>,
    /// Of records from which the lines cannot be had: what they were made of, as long as they may be spooled.
    originals: HashMap<LineId, (LineId, Vec<u8>)>,
    /// Which of these each request holds.
    flights: HashMap<u64, Vec<LineId>>,
    spooled: u64,
    start: Instant,
    /// Records that wait until it is known which shards there are, or that nobody could take: until they are delivered or
    /// spooled they hold back what is acknowledged. (What the spans of records cover overlaps; see the engine.)
    displaced: Vec<StreamRecord>,
    /// Whether shards were asked for, and when they may be again.
    is_listing: bool,
    list_at: Duration,
    /// How often in a row that was in vain, and how often it may be while records depend on it.
    list_failures: u32,
    attempts: u32,
    /// When the engine wants to be asked again.
    wake: Duration,
    /// The latest that went wrong with a request.
    trouble: Option<Error>,
    /// What is to be said about it, and when something was last said.
    notice: Option<String>,
    noticed: Option<Duration>,
    draining: bool,
}

impl Delivery {
    /// # Errors
    /// As from [`Options::check`].
    pub(super) fn new(
        mut options: Options,
        shards: ShardMap,
        packer: Packer,
        form: RecordForm,
        transport: Box<dyn Transport + Send>,
        spool: Option<Spool>,
    ) -> Result<Self> {
        // Consumers of aggregates throw away what belongs to another shard. The order of a key is kept by whoever is in
        // one shard with it.
        options.reaggregate = form == RecordForm::Kpl || (options.ordered && packer.is_by_shard());
        Ok(Self {
            attempts: options.max_attempts.unwrap_or(u32::MAX),
            engine: Engine::new(options, shards)?,
            packer,
            form,
            transport,
            spool,
            originals: HashMap::new(),
            flights: HashMap::new(),
            spooled: 0,
            start: Instant::now(),
            displaced: Vec::new(),
            is_listing: false,
            list_at: Duration::ZERO,
            list_failures: 0,
            wake: Duration::ZERO,
            trouble: None,
            notice: None,
            noticed: None,
            draining: false,
        })
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Gives the engine what is packed, as far as it has room.
    fn offer(&mut self) {
        // What is to be packed anew comes first.
        while self.displaced.is_empty()
            && let Some(record) = self.packer.next_record()
        {
            if let Err(refused) = self.engine.offer(self.now(), record) {
                return self.packer.put_back(*refused.record);
            }
        }
    }

    /// Does whatever the engine wants until it wants to wait; gives until when.
    fn turn(&mut self) -> Result<Duration> {
        loop {
            self.offer();
            let now = self.now();
            match self.engine.next(now) {
                Step::Send(request) => self.send(request),
                Step::Wait(until) => return Ok(until),
                Step::Idle => return Ok(Duration::MAX),
                Step::Displaced(back) => {
                    self.displaced.extend(back.into_iter().map(|back| back.record));
                    if !self.engine.is_stale() {
                        self.repack(self.engine.shards().clone())?;
                    }
                }
                Step::GaveUp(back) => {
                    self.bring_to_safety(back.into_iter().map(|back| back.record).collect())?;
                }
                Step::Stopped => return Err(self.failure("the stream refuses what is sent")),
            }
        }
    }

    fn list_shards(&mut self) {
        if !self.is_listing && self.now() >= self.list_at {
            self.is_listing = true;
            self.transport.list_shards();
        }
    }

    fn send(&mut self, request: Request) {
        if self.keeps_originals() {
            let places = request.records().iter().map(|record| place(&record.span));
            self.flights.insert(request.id(), places.collect());
        }
        self.transport.put(request);
    }

    /// Whether lines cannot be had from the records that are made of them.
    fn keeps_originals(&self) -> bool {
        self.form == RecordForm::Ndjson && self.spool.is_some()
    }

    /// Forgets what records were made of that are stored.
    fn forget_originals(&mut self, id: u64, outcome: &Outcome) {
        let Some(places) = self.flights.remove(&id) else { return };
        if let Outcome::Answered(results) = outcome {
            for (place, result) in places.iter().zip(results) {
                if matches!(result, RecordOutcome::Stored { .. }) {
                    self.originals.remove(place);
                }
            }
        }
    }

    /// Spools the lines of records, which then need no delivery. Where that cannot be done, they still do.
    fn bring_to_safety(&mut self, records: Vec<StreamRecord>) -> Result<()> {
        let spooled = match &self.spool {
            Some(spool) => self.spool_lines(spool, &records),
            None => Err(self.failure("records could not be delivered in many attempts")),
        };
        if let Err(error) = spooled {
            self.displaced.extend(records);
            return Err(error);
        }
        for StreamRecord { span, .. } in records {
            self.originals.remove(&place(&span));
            self.spooled += span.lines;
            self.engine.skip(span.source, span.begin..span.end);
        }
        Ok(())
    }

    fn spool_lines(&self, spool: &Spool, records: &[StreamRecord]) -> Result<()> {
        let (mut all, mut decoder) = (Vec::new(), RecordDecoder::default());
        for record in records {
            match self.originals.get(&place(&record.span)) {
                Some(original) => all.push(original.clone()),
                None => {
                    let lines = packer::lines(&mut decoder, record)?;
                    all.extend(lines.into_iter().map(|(line, id)| (id, line)));
                }
            }
        }
        spool.write(all)
    }

    /// What ends the run: what went wrong last, if it is known.
    fn failure(&mut self, what: &str) -> Error {
        self.trouble.take().unwrap_or_else(|| Error::new(ErrorKind::Delivery, what))
    }

    /// A request that failed as a whole is tried again, which whoever waits should know.
    fn notice_failure(&mut self, now: Duration, outcome: &Outcome, trouble: Option<&Error>) {
        let failed = matches!(outcome, Outcome::NotSent | Outcome::Unknown);
        if let Some(trouble) = trouble.filter(|_| failed)
            && self.noticed.is_none_or(|at| now.saturating_sub(at) >= SAY_EVERY)
        {
            self.notice = Some(format!("trying again: {trouble}"));
            self.noticed = Some(now);
        }
    }

    fn handle(&mut self, event: Event) -> Result<()> {
        let now = self.now();
        match event {
            Event::Put { id, outcome, trouble } => {
                self.notice_failure(now, &outcome, trouble.as_ref());
                self.trouble = trouble.or(self.trouble.take());
                self.forget_originals(id, &outcome);
                self.engine.complete(id, now, outcome)
            }
            Event::Gone => Err(Error::new(ErrorKind::Delivery, "what carries requests has ended")
                .with_hint("start it again: it goes on where it was")),
            Event::Shards(shards) => {
                self.is_listing = false;
                self.list_at = now + LIST_EVERY;
                if shards.is_ok() {
                    self.list_failures = 0;
                }
                match shards {
                    // Nothing new is known yet: what was displaced has to be tried again all the same.
                    Ok(shards) if shards == *self.engine.shards() => {
                        self.engine.set_shards(now, shards.clone());
                        if self.displaced.is_empty() { Ok(()) } else { self.repack(shards) }
                    }
                    Ok(shards) => {
                        self.engine.set_shards(now, shards.clone());
                        self.repack(shards)
                    }
                    // It is asked for again, as long as records may be tried.
                    Err(error) => {
                        self.list_failures += 1;
                        if !self.displaced.is_empty() && self.list_failures >= self.attempts {
                            return Err(error);
                        }
                        self.trouble = Some(error);
                        Ok(())
                    }
                }
            }
        }
    }

    /// Packs what was displaced, and what is held, for the shards that there are now.
    fn repack(&mut self, shards: ShardMap) -> Result<()> {
        let back = std::mem::take(&mut self.displaced);
        self.packer.repack(self.now(), shards, back)?;
        if self.draining {
            self.packer.flush();
        }
        Ok(())
    }
}

impl LineDestination for Delivery {
    fn begin(&mut self, source: SourceId, offset: u64) {
        self.engine.begin(source, offset);
    }

    fn has_room(&self) -> bool {
        !self.packer.has_records() && self.displaced.is_empty() && self.engine.has_room()
    }

    fn take(&mut self, line: &SourceLine<'_>) -> Result<Fate> {
        if self.form == RecordForm::Ndjson && line.bytes.iter().all(|byte| *byte == b' ') {
            return Ok(Fate::Blank);
        }
        let now = self.now();
        let fate = match self.packer.push(now, line) {
            Ok(()) => {
                if self.keeps_originals() {
                    self.originals.insert(line.id, (line.known_as, line.bytes.to_vec()));
                }
                Fate::Taken
            }
            Err(refusal) => Fate::Rejected(refusal.reason()),
        };
        self.offer();
        Ok(fate)
    }

    fn skip(&mut self, source: SourceId, bytes: Range<u64>) {
        self.engine.skip(source, bytes);
    }

    fn work(&mut self, longest: Duration) -> Result<()> {
        self.packer.close_overdue(self.now());
        self.wake = self.turn()?;
        if self.engine.is_stale() || !self.displaced.is_empty() {
            self.list_shards();
            if !self.is_listing {
                self.wake = self.wake.min(self.list_at);
            }
        }
        let mut longest = longest.min(self.wake.saturating_sub(self.now()));
        let mut any = false;
        while let Some(event) = self.transport.wait(longest) {
            self.handle(event)?;
            (longest, any) = (Duration::ZERO, true);
        }
        if any {
            self.wake = self.turn()?;
        }
        Ok(())
    }

    fn due(&self) -> Option<Duration> {
        let now = self.now();
        let is_busy = !self.engine.is_empty() || !self.displaced.is_empty() || self.packer.has_records();
        let engine = is_busy.then(|| self.wake.saturating_sub(now));
        let packer = self.packer.due().map(|due| due.saturating_sub(now));
        [engine, packer].into_iter().flatten().min()
    }

    fn pause(&mut self) {
        self.packer.pause(self.now());
    }

    fn drain(&mut self) -> Result<()> {
        self.draining = true;
        self.packer.flush();
        self.engine.drain();
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.engine.is_empty() && self.packer.is_empty() && self.displaced.is_empty()
    }

    fn acknowledged(&self, source: SourceId) -> Option<u64> {
        let settled = self.engine.acknowledged(source)?;
        let displaced = self.displaced.iter().map(|record| record.span);
        let displaced = displaced.filter(|span| span.source == source).map(|span| span.begin).min();
        [self.packer.lowest(source), displaced].into_iter().flatten().chain([settled]).min()
    }

    fn forget(&mut self, source: SourceId) {
        self.engine.forget(source);
    }

    fn give_up(&mut self, longest: Duration) -> Result<()> {
        let until = Instant::now() + longest;
        while self.engine.stats(self.now()).in_flight > 0 {
            let left = until.saturating_duration_since(Instant::now());
            match self.transport.wait(left) {
                Some(event @ Event::Put { .. }) => self.handle(event)?,
                Some(Event::Shards(_)) => {}
                Some(Event::Gone) | None => break,
            }
        }
        if self.spool.is_none() {
            // What is left stays where it is, and is read again from there.
            return Ok(());
        }
        // What is left may be gone where it came from. What is still under way has to be read again.
        self.packer.flush();
        let mut left: Vec<_> = std::mem::take(&mut self.displaced);
        left.extend(self.engine.take_waiting().into_iter().map(|back| back.record));
        while let Some(record) = self.packer.next_record() {
            left.push(record);
        }
        self.bring_to_safety(left)
    }

    fn notice(&mut self) -> Option<String> {
        self.notice.take()
    }

    fn delivered(&self) -> Delivered {
        let stats = self.engine.stats(self.now());
        Delivered {
            records: stats.records,
            bytes: stats.bytes,
            requests: stats.requests,
            acknowledged: stats.acknowledged_lines,
            acknowledged_records: stats.acknowledged_records,
            acknowledged_bytes: stats.acknowledged_bytes,
            throttled: stats.throttled,
            requests_throttled: stats.requests_throttled,
            internal_failures: stats.internal,
            requests_not_sent: stats.requests_not_sent,
            requests_unknown: stats.requests_unknown,
            retried: stats.retried,
            spooled: self.spooled,
            possibly_duplicated: stats.possibly_duplicated_lines,
            duplicates_removable: self.packer.has_ids(),
            oldest_unacknowledged_seconds: stats.oldest_unacknowledged.map(|age| age.as_secs_f64()),
            shards: self.engine.shard_stats().map(ShardReport::from).collect(),
            ..Delivered::default()
        }
    }
}

#[cfg(test)]
mod tests;

/// Where a record's first line is.
fn place(span: &Span) -> LineId {
    LineId { source: span.source, offset: span.begin }
}
