use campanile_otlp_receiver::model::Buckets as Side;

use super::*;

fn histogram(bounds: &[f64], counts: &[u64]) -> Histogram {
    Histogram {
        count: counts.iter().sum(),
        bounds: bounds.to_vec(),
        bucket_counts: counts.to_vec(),
        ..Histogram::default()
    }
}

#[test]
fn percentiles_are_read_by_nearest_rank() {
    let mut durations: Vec<f64> = (1..=100).rev().map(f64::from).collect();
    let told = exact(&mut durations);
    assert_eq!(
        (told.p50, told.p95, told.p99),
        (Some(50.0), Some(95.0), Some(99.0))
    );
}

#[test]
fn too_few_samples_keep_their_tail_to_themselves() {
    let told = exact(&mut (0..99).map(f64::from).collect::<Vec<_>>());
    assert!(told.p95.is_some() && told.p99.is_none());
    let told = exact(&mut [1.0, 2.0, 3.0]);
    assert_eq!((told.p50, told.p95), (Some(2.0), None));
    assert_eq!(exact(&mut []), Percentiles::default());
}

#[test]
fn buckets_are_read_by_straight_lines() {
    let mut buckets = Buckets::default();
    buckets.add(&histogram(&[0.1, 0.2], &[50, 50, 0]), None);
    let told = buckets.percentiles(1000.0);
    assert!((told.p50.unwrap_or_default() - 100.0).abs() < 1e-6);
    assert!((told.p99.unwrap_or_default() - 198.0).abs() < 1e-6);
}

#[test]
fn cumulative_points_count_what_came_between() {
    let mut buckets = Buckets::default();
    let before = histogram(&[0.1], &[40, 0]);
    buckets.add(&histogram(&[0.1], &[40, 10]), Some(&before));
    assert_eq!(buckets.count, 10);
    // A restart counts from nothing: what was before is no base.
    buckets.add(&histogram(&[0.1], &[3, 0]), Some(&before));
    assert_eq!(buckets.count, 13);
}

#[test]
fn the_open_bucket_ends_at_the_largest_value_seen() {
    let mut buckets = Buckets::default();
    buckets.add(
        &Histogram {
            max: Some(7.0),
            ..histogram(&[1.0], &[0, 10])
        },
        None,
    );
    assert_eq!(buckets.quantile(1.0), Some(7.0));
}

#[test]
fn exponential_buckets_read_like_the_others() {
    let mut buckets = Buckets::default();
    let positive = Side {
        offset: 0,
        counts: vec![10, 10],
    };
    buckets.add_exponential(
        &ExponentialHistogram {
            count: 20,
            scale: 0,
            positive,
            ..ExponentialHistogram::default()
        },
        None,
    );
    // (1, 2] and (2, 4]: the middle of all lies at 2.
    assert_eq!(buckets.quantile(0.5), Some(2.0));
}

#[test]
fn counts_and_scales_that_nobody_measured_are_no_danger() {
    let most = histogram(&[0.1], &[u64::MAX, 0]);
    let (mut buckets, mut other) = (Buckets::default(), Buckets::default());
    for bounds in [0.1, 0.2] {
        let bounds = vec![bounds];
        buckets.add(
            &Histogram {
                bounds,
                ..most.clone()
            },
            None,
        );
    }
    other.add(&most, None);
    buckets.merge(other);
    assert_eq!(buckets.count, u64::MAX);
    assert!(buckets.quantile(0.5).is_some());
    for scale in [i32::MIN, i32::MAX] {
        let positive = Side {
            offset: i32::MAX,
            counts: vec![u64::MAX; 3],
        };
        let now = ExponentialHistogram {
            count: u64::MAX,
            scale,
            positive,
            ..ExponentialHistogram::default()
        };
        buckets.add_exponential(&now, None);
    }
    buckets.quantile(0.5);
}
