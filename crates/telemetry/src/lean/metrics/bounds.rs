//! Which bucket a number belongs into.

/// Upper bounds of buckets, each inclusive, with a table that says where to begin to look: the
/// numbers between two powers of two have few bounds among them.
#[derive(Debug)]
pub(super) struct Bounds {
    all: &'static [f64],
    /// For each exponent from `least` on, how many bounds are below all numbers that have it.
    starts: Box<[u8]>,
    least: i64,
}

/// How many exponents a table has at most; what is beyond is found by going on from its ends.
const MOST: i64 = 64;

/// The exponent as it stands in the bits, less than zero for a number below zero.
#[inline]
const fn exponent(value: f64) -> i64 {
    value.to_bits().cast_signed() >> 52
}

impl Bounds {
    pub(super) fn new(all: &'static [f64]) -> Self {
        let positive = || all.iter().filter(|bound| **bound > 0.0);
        let least = positive().next().map_or(0, |first| exponent(*first));
        let most = positive().next_back().map_or(0, |last| exponent(*last));
        let below = |exponent: i64| {
            let power = f64::from_bits(exponent.cast_unsigned() << 52);
            all.partition_point(|bound| *bound < power)
        };
        // The first is where everything begins that is smaller, or below zero.
        let others = (least + 1..=most.min(least + MOST)).map(below);
        let starts = std::iter::once(0).chain(others);
        Self {
            all,
            starts: starts
                .map(|start| u8::try_from(start).unwrap_or(u8::MAX))
                .collect(),
            least,
        }
    }

    pub(super) fn all(&self) -> &'static [f64] {
        self.all
    }

    /// How many bounds are below `value`, which is a number.
    #[inline]
    pub(super) fn bucket(&self, value: f64) -> usize {
        let place = usize::try_from(exponent(value) - self.least).unwrap_or(0);
        let last = self.starts.len() - 1;
        let mut bucket = usize::from(self.starts[place.min(last)]);
        while let Some(bound) = self.all.get(bucket)
            && *bound < value
        {
            bucket += 1;
        }
        bucket
    }
}

#[cfg(test)]
mod tests {
    use campanile_semconv::metric as m;

    use super::*;

    #[test]
    fn every_number_finds_the_bucket_that_a_search_finds() {
        let sets: [&'static [f64]; 10] = [
            m::HTTP_SECONDS,
            m::BODY_BYTES,
            m::CONNECTION_SECONDS,
            m::AGE_SECONDS,
            m::GAP_SECONDS,
            m::REPLAYED_MESSAGES,
            &[],
            &[0.0],
            &[-8.0, -0.5, 0.0, 1e-300, 3.0, 1e300],
            &[f64::MIN, f64::MAX],
        ];
        for all in sets {
            let bounds = Bounds::new(all);
            let around = |value: &f64| [value.next_down(), *value, value.next_up()];
            let powers = (-1074..=1023).map(|power| 2.0_f64.powi(power));
            let powers = powers.flat_map(|power| [power, -power]);
            let extremes = [0.0, -0.0, f64::MAX, f64::MIN, f64::MIN_POSITIVE];
            let values = all.iter().copied().chain(powers).chain(extremes);
            for value in values.flat_map(|value| around(&value)) {
                let expected = all.partition_point(|bound| *bound < value);
                assert_eq!(bounds.bucket(value), expected, "{value} among {all:?}");
            }
        }
    }

    #[test]
    fn many_bounds_are_searched_from_a_start_that_fits() {
        let all: &'static [f64] = (0..600).map(f64::from).collect::<Vec<_>>().leak();
        let bounds = Bounds::new(all);
        for value in [0.5, 254.0, 255.5, 256.0, 300.0, 599.0, 1e9] {
            let expected = all.partition_point(|bound| *bound < value);
            assert_eq!(bounds.bucket(value), expected, "{value}");
        }
    }
}
