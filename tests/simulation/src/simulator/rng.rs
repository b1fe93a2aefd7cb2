//! Random numbers from a seed: `SplitMix64`. Small, fast, and the same on every platform.
//!
//! Each choice of the simulator has a stream of its own, by its name. So a seed keeps its meaning: a choice that is
//! added, or drawn more often, moves no other; and one more item at the end of a list that [`Rng::pick`] picks from
//! moves only those picks that fall on it.

use std::collections::BTreeMap;

/// A stream of random numbers, and the streams below it.
#[derive(Debug, Clone)]
pub(crate) struct Rng {
    key: u64,
    state: u64,
    streams: BTreeMap<&'static str, Self>,
}

/// One step of `SplitMix64`.
fn mixed(state: u64) -> u64 {
    let mut z = state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Rng {
    /// The stream of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        let key = mixed(seed.wrapping_add(STEP));
        Self {
            key,
            state: key,
            streams: BTreeMap::new(),
        }
    }

    /// The stream of that name below this one. What is drawn from others does not move it.
    pub(crate) fn of(&mut self, name: &'static str) -> &mut Self {
        let key = self.key;
        self.streams.entry(name).or_insert_with(|| {
            // FNV-1a.
            let mut hash = 0xcbf2_9ce4_8422_2325;
            for byte in name.bytes() {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
            Self::new(key ^ hash)
        })
    }

    /// A stream for the next thing of that name, with streams of its own below it: what one thing draws does not
    /// move what the next one does.
    pub(crate) fn next(&mut self, name: &'static str) -> Self {
        Self::new(self.of(name).draw())
    }

    /// 64 random bits.
    pub(crate) fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        mixed(self.state)
    }

    /// A number from 0 to `count - 1`; 0 if there is none.
    pub(crate) fn below(&mut self, count: u64) -> u64 {
        let wide = (u128::from(self.draw()) * u128::from(count)) >> 64;
        u64::try_from(wide).unwrap_or_default()
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = u64::try_from(high - low + 1).unwrap_or(1);
        low + i64::try_from(self.below(span)).unwrap_or_default()
    }

    /// A count from `low` to `high`, both included.
    pub(crate) fn count(&mut self, low: usize, high: usize) -> usize {
        let span = u64::try_from(high - low + 1).unwrap_or(1);
        low + usize::try_from(self.below(span)).unwrap_or_default()
    }

    /// True once in so many times.
    pub(crate) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// True in so many of a million times.
    pub(crate) fn of_million(&mut self, times: u64) -> bool {
        times > 0 && self.below(1_000_000) < times
    }

    /// True in so many of a hundred times.
    pub(crate) fn percent(&mut self, times: u64) -> bool {
        self.below(100) < times
    }

    /// One of these, each as likely as the others; nothing if there is none. Each place of the list draws a number,
    /// and the highest wins: a longer list with the same beginning gives the same item, or one that is new.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        self.pick_by(from, |_| 1)
    }

    /// The same, of items as likely as they weigh.
    pub(crate) fn pick_by<'a, T>(
        &mut self,
        from: &'a [T],
        weight: impl Fn(&T) -> u64,
    ) -> Option<&'a T> {
        let key = self.draw();
        let drawn =
            |place: u64, copy: u64| mixed(mixed(key.wrapping_add(place)).wrapping_add(copy));
        let places = from.iter().zip(1..);
        let highest = |item: &T, place| (0..weight(item)).map(|copy| drawn(place, copy)).max();
        places
            .max_by_key(|(item, place)| highest(item, *place))
            .map(|(item, _)| item)
    }

    /// Changes the order.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let place = self.count(0, last);
            items.swap(last, place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_list_keeps_what_was_picked_or_picks_what_is_new() {
        let items: Vec<u64> = (0..20).collect();
        let mut changed = 0;
        for seed in 0..1_000 {
            let pick = |length: usize| Rng::new(seed).pick(items.get(..length)?).copied();
            for length in 1..20 {
                let (old, new) = (pick(length), pick(length + 1));
                let is_new = new == u64::try_from(length).ok();
                assert!(old == new || is_new, "seed {seed}: {old:?} {new:?}");
                changed += u64::from(length == 9 && is_new);
            }
        }
        // One in ten picks falls on the tenth item.
        assert!((60..140).contains(&changed), "{changed}");
    }

    #[test]
    fn a_stream_is_not_moved_by_another() {
        let (mut one, mut other) = (Rng::new(7), Rng::new(7));
        other.draw();
        other.of("new").below(10);
        other.next("thing").of("old").draw();
        assert_eq!(one.of("old").draw(), other.of("old").draw());
        assert_eq!(one.of("old").draw(), other.of("old").draw());
        other.next("thing").draw();
        let nth = |rng: &mut Rng| (0..3).map(|_| rng.next("event").draw()).collect::<Vec<_>>();
        assert_eq!(nth(&mut one), nth(&mut other));
    }

    #[test]
    fn streams_differ_by_seed_and_name() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..100 {
            for name in ["crash", "slow", "delay"] {
                assert!(seen.insert(Rng::new(seed).of(name).draw()));
                assert!(seen.insert(Rng::new(seed).next(name).draw()));
            }
        }
    }
}
