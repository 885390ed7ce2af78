//! Which shard a record belongs to.

use crate::envelope::{StreamRecord, hash_key};
use crate::error::{Error, ErrorKind, Result};

impl StreamRecord {
    /// Where the record belongs: its explicit hash key, or the one of its partition key.
    #[must_use]
    pub fn hash_key(&self) -> u128 {
        self.explicit_hash_key.unwrap_or_else(|| hash_key(&self.partition_key))
    }
}

/// An open shard of a stream, and the hash keys it owns.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Shard {
    /// Its name, such as `shardId-000000000000`.
    pub id: String,
    /// The first hash key (`StartingHashKey`).
    pub first: u128,
    /// The last hash key, itself included (`EndingHashKey`).
    pub last: u128,
}

/// The open shards of a stream: together they own every hash key, and each key has one owner.
///
/// ```
/// use nasalogs::delivery::{Shard, ShardMap};
/// use nasalogs::envelope::hash_key;
/// let half = u128::MAX / 2;
/// let map = ShardMap::new([
///     Shard { id: "shardId-000000000001".into(), first: half + 1, last: u128::MAX },
///     Shard { id: "shardId-000000000000".into(), first: 0, last: half },
/// ])?;
/// assert_eq!(map.find(hash_key("a")).id, "shardId-000000000000");
/// assert!(ShardMap::new([Shard { id: "one".into(), first: 1, last: u128::MAX }]).is_err());
/// # Ok::<(), nasalogs::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardMap(Vec<Shard>);

impl ShardMap {
    /// A map of the shards that are open, in any order: closed ones, which `ListShards` gives an `EndingSequenceNumber`,
    /// have to be left out.
    ///
    /// # Errors
    /// [`ErrorKind::Options`] where a hash key has no owner or two.
    pub fn new(shards: impl IntoIterator<Item = Shard>) -> Result<Self> {
        let mut shards: Vec<_> = shards.into_iter().collect();
        shards.sort_by_key(|shard| (shard.first, shard.last));
        let mut next = Some(0);
        for shard in &shards {
            if Some(shard.first) != next || shard.last < shard.first {
                return Err(Self::broken(&format!(
                    "shard {} does not begin where the one before it ends",
                    shard.id
                )));
            }
            next = shard.last.checked_add(1);
        }
        if shards.is_empty() || next.is_some() {
            return Err(Self::broken("the last hash keys have no shard"));
        }
        Ok(Self(shards))
    }

    /// A stream of so many equal shards, as Kinesis creates one: for tests and dry runs. At least one, at most 65,536.
    #[must_use]
    pub fn even(count: usize) -> Self {
        let count = count.clamp(1, 1 << 16) as u128;
        let width = u128::MAX / count;
        let shard = |at: u128| Shard {
            id: format!("shardId-{at:012}"),
            first: at * width,
            last: if at + 1 == count { u128::MAX } else { (at + 1) * width - 1 },
        };
        Self((0..count).map(shard).collect())
    }

    /// The shards, in the order of their hash keys; never empty.
    #[must_use]
    pub fn shards(&self) -> &[Shard] {
        &self.0
    }

    /// The owner of a hash key.
    #[must_use]
    pub fn find(&self, hash_key: u128) -> &Shard {
        &self.0[self.index(hash_key)]
    }

    /// The owner's place in [`Self::shards`].
    pub(super) fn index(&self, hash_key: u128) -> usize {
        // The first shard begins at 0, so that the point is never 0.
        self.0.partition_point(|shard| shard.first <= hash_key) - 1
    }

    fn broken(what: &str) -> Error {
        Error::new(ErrorKind::Options, format!("not a map of a stream's shards: {what}"))
            .with_hint("list all shards, page by page, and leave out those with an ending sequence number")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_one_owner() {
        for count in [1, 2, 3, 7, 1000] {
            let map = ShardMap::even(count);
            assert_eq!(ShardMap::new(map.0.clone()).unwrap(), map, "an even map passes its own check");
            assert_eq!(map.shards().len(), count);
            for (at, shard) in map.0.iter().enumerate() {
                assert_eq!((map.index(shard.first), map.index(shard.last)), (at, at));
            }
        }
    }

    #[test]
    fn gaps_and_overlaps_are_refused() {
        let shard = |first, last| Shard { id: "s".into(), first, last };
        for broken in [
            vec![],
            vec![shard(0, 5)],
            vec![shard(0, 5), shard(7, u128::MAX)],
            vec![shard(0, 5), shard(5, u128::MAX)],
            vec![shard(0, u128::MAX), shard(0, u128::MAX)],
            vec![shard(9, 0)],
        ] {
            assert_eq!(ShardMap::new(broken).unwrap_err().kind(), ErrorKind::Options);
        }
    }
}
