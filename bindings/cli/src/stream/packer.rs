//! Lines to records: one encoder, or one for each shard where a record must not mix them.

use std::collections::VecDeque;
use std::time::Duration;

use nasalogs::delivery::ShardMap;
use nasalogs::envelope::{
    EncodeOptions, Item, Line, LineId, RecordDecoder, RecordEncoder, RecordForm, Refusal, SourceId, Span,
    StreamRecord, hash_key, partition_key,
};
use nasalogs::{Error, ErrorKind, Result};

use super::key::Key;
use super::line::SourceLine;

/// Packs lines.
#[derive(Debug)]
pub(super) struct Packer {
    options: EncodeOptions,
    form: RecordForm,
    key: Key,
    shards: ShardMap,
    /// One for each shard, or only one.
    lanes: Vec<Lane>,
    /// Without keys any shard will do for an aggregate: each in turn.
    turn: usize,
    ready: VecDeque<StreamRecord>,
    /// How long a line waits for company.
    linger: Duration,
    /// Bytes of lines that the encoders hold.
    held: usize,
}

#[derive(Debug)]
struct Lane {
    encoder: RecordEncoder,
    /// Bytes of lines since its last record.
    held: usize,
    /// When the first line came that the encoder holds.
    since: Option<Duration>,
    /// Where the lines that the encoder holds are, while they are known by ids of another place.
    places: VecDeque<Span>,
}

impl Lane {
    fn new(options: EncodeOptions) -> Self {
        Self { encoder: RecordEncoder::new(options), held: 0, since: None, places: VecDeque::new() }
    }

    /// The next finished record, which is about where its lines were read.
    fn next_record(&mut self) -> Option<StreamRecord> {
        let mut record = self.encoder.next_record()?;
        for number in 0..record.span.lines {
            let Some(place) = self.places.pop_front() else { break };
            let begin = if number == 0 { place.begin } else { record.span.begin };
            record.span = Span { source: place.source, begin, end: place.end, lines: record.span.lines };
        }
        Some(record)
    }

    /// Where what the encoder holds was read.
    fn pending(&self) -> Option<Span> {
        let pending = self.encoder.pending()?;
        Some(self.places.front().copied().unwrap_or(pending))
    }
}

impl Packer {
    pub(super) fn new(
        options: EncodeOptions,
        form: RecordForm,
        key: Key,
        shards: ShardMap,
        linger: Duration,
    ) -> Self {
        let mut packer = Self {
            options,
            form,
            key,
            lanes: Vec::new(),
            turn: 0,
            ready: VecDeque::new(),
            linger,
            held: 0,
            shards: shards.clone(),
        };
        packer.set_shards(shards);
        packer
    }

    /// Whether each record is for the lines of one shard.
    pub(super) fn is_by_shard(&self) -> bool {
        match self.form {
            RecordForm::Kpl => true,
            RecordForm::Block => !self.key.is_random(),
            _ => false,
        }
    }

    /// Whether the identity of every line is sent.
    pub(super) fn has_ids(&self) -> bool {
        self.form != RecordForm::Raw || self.key.is_random()
    }

    /// New encoders. Those before have to be empty.
    fn set_shards(&mut self, shards: ShardMap) {
        self.held = 0;
        self.lanes = match self.is_by_shard() {
            true => {
                let ranges = shards.shards().iter().map(|shard| shard.first..=shard.last);
                ranges.map(|range| Lane::new(self.options.clone().with_shard(range))).collect()
            }
            false => vec![Lane::new(self.options.clone())],
        };
        self.turn %= self.lanes.len();
        self.shards = shards;
    }

    /// Takes a line.
    ///
    /// # Errors
    /// A [`Refusal`]: the line is in no record.
    pub(super) fn push(&mut self, now: Duration, line: &SourceLine<'_>) -> Result<(), Refusal> {
        let key = self.key.of(line.bytes);
        let at = match &key {
            _ if self.lanes.len() == 1 => 0,
            Some(key) => self.lane_of(hash_key(&partition_key(key))),
            None => self.turn,
        };
        let lane = &mut self.lanes[at];
        let is_elsewhere = line.known_as != line.id;
        let is_other = |place: &Span| !is_elsewhere || place.source != line.id.source;
        if lane.encoder.pending().is_some() && lane.places.back().map_or(is_elsewhere, is_other) {
            lane.encoder.flush();
            self.collect(at, now);
        }
        let lane = &mut self.lanes[at];
        let end = line.known_as.offset.saturating_add(line.end - line.id.offset);
        let pushed =
            lane.encoder.push(Line { bytes: line.bytes, id: line.known_as, end, key: key.as_deref() });
        if is_elsewhere && pushed.is_ok() {
            let LineId { source, offset } = line.id;
            lane.places.push_back(Span { source, begin: offset, end: line.end, lines: 1 });
        }
        lane.since.get_or_insert(now);
        if pushed.is_ok() {
            lane.held += line.bytes.len();
            self.held += line.bytes.len();
        }
        if self.collect(at, now) && key.is_none() {
            self.turn = (at + 1) % self.lanes.len();
        }
        if self.held > Self::MOST_HELD && self.form == RecordForm::Kpl {
            self.close_fullest(now);
        }
        pushed
    }

    /// How many bytes of lines all aggregates hold that are being filled: a stream may have thousands of shards. (What
    /// is compressed takes little.)
    const MOST_HELD: usize = 32 << 20;

    fn close_fullest(&mut self, now: Duration) {
        let fullest = (0..self.lanes.len()).max_by_key(|at| self.lanes[*at].held);
        if let Some(at) = fullest {
            self.lanes[at].encoder.flush();
            self.collect(at, now);
        }
    }

    fn lane_of(&self, hash: u128) -> usize {
        self.shards.shards().partition_point(|shard| shard.first <= hash) - 1
    }

    /// Takes finished records from an encoder; whether there was one.
    fn collect(&mut self, at: usize, now: Duration) -> bool {
        let lane = &mut self.lanes[at];
        let before = self.ready.len();
        while let Some(record) = lane.next_record() {
            self.ready.push_back(record);
        }
        let any = self.ready.len() > before;
        if any {
            // The line that did not fit any more, if there is one, is no matter.
            self.held -= std::mem::take(&mut lane.held);
            lane.since = lane.encoder.pending().map(|_| now);
        } else if lane.encoder.pending().is_none() {
            lane.since = None;
        }
        any
    }

    /// Closes records in which a line has waited for longer than `age`.
    fn close(&mut self, now: Duration, age: Duration) {
        for at in 0..self.lanes.len() {
            let lane = &mut self.lanes[at];
            if lane.since.is_some_and(|since| now.saturating_sub(since) >= age) {
                lane.encoder.flush();
                self.collect(at, now);
            }
        }
    }

    /// Closes records that have waited long enough for company, where more lines are there to come.
    pub(super) fn close_overdue(&mut self, now: Duration) {
        self.close(now, Self::LONGEST.max(self.linger));
    }

    /// How long a line waits for company while others come without a pause.
    const LONGEST: Duration = Duration::from_secs(1);

    /// Closes records that have waited long enough, where no more lines are there.
    pub(super) fn pause(&mut self, now: Duration) {
        self.close(now, self.linger);
    }

    /// Closes all records.
    pub(super) fn flush(&mut self) {
        self.close(Duration::MAX, Duration::ZERO);
    }

    /// When [`Packer::pause`] has something to do.
    pub(super) fn due(&self) -> Option<Duration> {
        self.lanes.iter().filter_map(|lane| lane.since).min().map(|since| since.saturating_add(self.linger))
    }

    /// The next record.
    pub(super) fn next_record(&mut self) -> Option<StreamRecord> {
        self.ready.pop_front()
    }

    /// Puts back a record that nobody takes now.
    pub(super) fn put_back(&mut self, record: StreamRecord) {
        self.ready.push_front(record);
    }

    /// Whether there are finished records.
    pub(super) fn has_records(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Whether nothing is held.
    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.lanes.iter().all(|lane| lane.encoder.pending().is_none())
    }

    /// The first offset of a source that is held.
    pub(super) fn lowest(&self, source: SourceId) -> Option<u64> {
        let pending = self.lanes.iter().filter_map(Lane::pending);
        let ready = self.ready.iter().map(|record| record.span);
        pending.chain(ready).filter(|span| span.source == source).map(|span| span.begin).min()
    }

    /// Packs anew for other shards: records that were given back, in the order in which they were packed, and all that
    /// is held. All of it is held afterwards, whatever happens.
    ///
    /// # Errors
    /// [`ErrorKind::Delivery`] where a line fits in no record for the new shards.
    pub(super) fn repack(&mut self, now: Duration, shards: ShardMap, back: Vec<StreamRecord>) -> Result<()> {
        if !self.is_by_shard() {
            // They do not matter to what is held.
            self.shards = shards;
            self.ready.extend(back);
            return Ok(());
        }
        self.flush();
        let mut records = VecDeque::from(back);
        records.append(&mut self.ready);
        self.set_shards(shards);
        let mut decoder = RecordDecoder::default();
        while let Some(record) = records.pop_front() {
            if let Err(error) = self.push_lines(now, &mut decoder, &record) {
                // Nobody else has them.
                self.ready.push_back(record);
                self.ready.append(&mut records);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Takes the lines of a record.
    fn push_lines(
        &mut self,
        now: Duration,
        decoder: &mut RecordDecoder,
        record: &StreamRecord,
    ) -> Result<()> {
        for (bytes, line) in located(record, lines(decoder, record)?) {
            self.push(now, &SourceLine { bytes: &bytes, ..line }).map_err(|refusal| {
                let id = line.known_as;
                Error::new(
                    ErrorKind::Delivery,
                    format!("line {id} cannot be packed for another shard: {refusal}"),
                )
            })?;
        }
        Ok(())
    }
}

/// Where the lines of a record are in their source. What lies between two of them counts as part of the first: it is
/// accounted for by other records. Lines that are known by ids of another place are anywhere in the record's span.
fn located(record: &StreamRecord, lines: Vec<(Vec<u8>, LineId)>) -> Vec<(Vec<u8>, SourceLine<'static>)> {
    let Span { source, begin, end, .. } = record.span;
    let is_elsewhere = lines.first().is_some_and(|(_, id)| *id != LineId { source, offset: begin });
    let ends: Vec<u64> = lines.iter().skip(1).map(|(_, id)| id.offset).chain([end]).collect();
    let place = |((bytes, known_as), line_end): ((Vec<u8>, LineId), u64)| {
        let (id, end) =
            if is_elsewhere { (LineId { source, offset: begin }, end) } else { (known_as, line_end) };
        (bytes, SourceLine { bytes: &[], id, known_as, end })
    };
    lines.into_iter().zip(ends).map(place).collect()
}

/// The lines of a record of ours, and their ids.
///
/// # Errors
/// [`ErrorKind::Delivery`] for a record that is none of ours.
pub(super) fn lines(decoder: &mut RecordDecoder, record: &StreamRecord) -> Result<Vec<(Vec<u8>, LineId)>> {
    let mut lines = Vec::new();
    let mut strange = None;
    decoder.decode(&record.data, &record.partition_key, &mut |item| match item {
        Item::Line { bytes, id: Some(id) } => lines.push((bytes.to_vec(), id)),
        // A raw line whose key was chosen is the only one that does not say who it is.
        Item::Line { bytes, id: None } if record.span.lines == 1 => {
            let Span { source, begin, .. } = record.span;
            lines.push((bytes.to_vec(), LineId { source, offset: begin }));
        }
        other => strange = Some(format!("{other:?}")),
    });
    match strange {
        Some(strange) => {
            Err(Error::new(ErrorKind::Delivery, format!("a record cannot be taken apart: {strange}")))
        }
        None => Ok(lines),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use nasalogs::LogFormat;

    fn packer(form: RecordForm, key: &str, shards: usize) -> Packer {
        let format = LogFormat::common();
        let key = Key::new(key, Some(&format)).unwrap();
        Packer::new(EncodeOptions::new(form), form, key, ShardMap::even(shards), Duration::from_millis(100))
    }

    fn log(count: u64) -> Vec<(String, u64)> {
        let mut offset = 0;
        let line = |number| {
            let text = format!(
                "host{} - - [01/Jul/1995:00:00:01 -0400] \"GET /{number} HTTP/1.0\" 200 5",
                number % 7
            );
            let place = offset;
            offset += text.len() as u64 + 1;
            (text, place)
        };
        (0..count).map(line).collect()
    }

    fn push(packer: &mut Packer, log: &[(String, u64)]) {
        for (text, offset) in log {
            let id = LineId { source: SourceId(1), offset: *offset };
            let end = offset + text.len() as u64 + 1;
            let line = SourceLine { bytes: text.as_bytes(), id, known_as: id, end };
            packer.push(Duration::ZERO, &line).unwrap();
        }
    }

    fn unpack(packer: &mut Packer, shards: &ShardMap) -> Vec<(String, u64)> {
        let (mut all, mut decoder) = (Vec::new(), RecordDecoder::default());
        while let Some(record) = packer.next_record() {
            let here = shards.find(record.explicit_hash_key.unwrap());
            for (line, id) in lines(&mut decoder, &record).unwrap() {
                let text = String::from_utf8(line).unwrap();
                let host = text.split(' ').next().unwrap();
                if !packer.key.is_random() {
                    assert_eq!(shards.find(hash_key(host)).id, here.id);
                }
                all.push((text, id.offset));
            }
        }
        all
    }

    #[test]
    fn lines_are_packed_anew_for_other_shards() {
        for (form, key) in
            [(RecordForm::Kpl, "host"), (RecordForm::Kpl, "random"), (RecordForm::Block, "host")]
        {
            let log = log(500);
            let mut packer = packer(form, key, 2);
            push(&mut packer, &log[..200]);
            packer.flush();
            let mut back = Vec::new();
            while let Some(record) = packer.next_record() {
                back.push(record);
            }
            push(&mut packer, &log[200..]);
            assert_eq!(packer.lowest(SourceId(1)), Some(log[200].1));
            let shards = ShardMap::even(5);
            packer.repack(Duration::ZERO, shards.clone(), back).unwrap();
            assert_eq!(packer.lowest(SourceId(1)), Some(0));
            packer.flush();
            let all = unpack(&mut packer, &shards);
            assert_eq!(all.len(), log.len());
            assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), log.into_iter().collect());
            assert!(packer.is_empty());
        }
    }

    #[test]
    fn what_cannot_be_packed_anew_is_still_held() {
        let mut packer = packer(RecordForm::Kpl, "host", 2);
        let log = log(100);
        push(&mut packer, &log[..50]);
        packer.flush();
        let mut back: Vec<_> = std::iter::from_fn(|| packer.next_record()).collect();
        push(&mut packer, &log[50..]);
        // The first that was given back is none of ours.
        back[0].data = b"strange".as_slice().into();
        assert!(packer.repack(Duration::ZERO, ShardMap::even(5), back).is_err());
        assert_eq!(packer.lowest(SourceId(1)), Some(0));
        assert!(packer.has_records() && !packer.is_empty());
    }

    #[test]
    fn lines_from_elsewhere_are_accounted_for_where_they_were_read() {
        let mut packer = packer(RecordForm::Kpl, "random", 1);
        let line = |number: u64| SourceLine {
            bytes: b"x",
            id: LineId { source: SourceId(5), offset: number * 2 },
            known_as: LineId { source: SourceId(1), offset: 100 + number * 10 },
            end: number * 2 + 2,
        };
        for number in 0..4 {
            packer.push(Duration::ZERO, &line(number)).unwrap();
        }
        assert_eq!((packer.lowest(SourceId(5)), packer.lowest(SourceId(1))), (Some(0), None));
        // A line that is known by where it is goes into another record.
        push(&mut packer, &log(1));
        let record = packer.next_record().unwrap();
        assert_eq!(record.span, Span { source: SourceId(5), begin: 0, end: 8, lines: 4 });
        let ids: Vec<_> = lines(&mut RecordDecoder::default(), &record).unwrap();
        assert_eq!(ids.iter().map(|(_, id)| id.offset).collect::<Vec<_>>(), [100, 110, 120, 130]);
        packer.repack(Duration::ZERO, ShardMap::even(2), vec![record]).unwrap();
        packer.flush();
        let mut spans = Vec::new();
        while let Some(record) = packer.next_record() {
            spans.push(record.span);
        }
        assert_eq!(spans.iter().map(|span| span.lines).sum::<u64>(), 5);
        assert!(spans.iter().all(|span| span.source == SourceId(1) || (span.begin, span.end) == (0, 8)));
    }

    #[test]
    fn many_shards_hold_no_more_than_few() {
        let mut packer = packer(RecordForm::Kpl, "host", 64);
        let mut taken = 0;
        for number in 0..3000_u64 {
            let text = format!(
                "host{number} - - [01/Jul/1995:00:00:01 -0400] \"GET /{} HTTP/1.0\" 200 5",
                "x".repeat(30_000)
            );
            let id = LineId { source: SourceId(1), offset: number * 40_000 };
            let line = SourceLine { bytes: text.as_bytes(), id, known_as: id, end: id.offset + 40_000 };
            packer.push(Duration::ZERO, &line).unwrap();
            taken += text.len();
            while let Some(record) = packer.next_record() {
                taken -= record.data.len();
            }
            // But for what frames the lines, and one line for each shard.
            assert!(taken < Packer::MOST_HELD + 64 * 40_000, "{taken} bytes are held");
        }
    }

    #[test]
    fn nobody_waits_for_company_for_ever() {
        let mut packer = packer(RecordForm::Block, "random", 1);
        push(&mut packer, &log(3));
        packer.pause(Duration::from_millis(99));
        assert!(!packer.has_records() && packer.due() == Some(Duration::from_millis(100)));
        packer.close_overdue(Duration::from_millis(999));
        assert!(!packer.has_records());
        packer.pause(Duration::from_millis(100));
        assert!(packer.has_records() && packer.due().is_none());
    }
}
