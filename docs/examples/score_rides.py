"""Score simulated rides without Kafka: python docs/examples/score_rides.py."""

import eddy

records = list(eddy.simulate("rides", seed=7, start="2024-03-01T00:00:00Z", rides=5_000))
scorer = eddy.BatchScorer("rides")  # or BatchScorer("rides", eddy.load_settings())
batch = scorer.score([record.payload for record in records])

print(f"{len(records):,} records, {len(batch.rejections)} rejected")
print(f"{len(batch.anomalies)} anomalies; the first three:")
for anomaly in batch.anomalies[:3]:
    reasons = ", ".join(f"{reason.feature} {reason.value:.1f}" for reason in anomaly.reasons)
    print(f"  {anomaly.occurred_at:%H:%M}  score {anomaly.score:.2f}  {anomaly.severity}  {reasons}")
