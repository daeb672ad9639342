-- What merchants turned over, by pieces of time, from Athena: approved sales less approved refunds.
-- The same meaning as payments_duckdb.sql. {names} are columns, quoted; :names are parameters.
-- Rows that would be no payment on the topic are left out: see schemas/payments.py.
WITH payments AS (
    SELECT
        CAST({merchant_id} AS varchar) AS merchant_id,
        {occurred_at} AS occurred_at,
        CAST({amount} AS double) AS amount,
        lower(CAST({kind} AS varchar)) AS kind,
        lower(CAST({status} AS varchar)) AS status,
        coalesce(CAST({count} AS bigint), 1) AS payments,
        CAST({segment} AS varchar) AS segment,
        CAST({country} AS varchar) AS country
    FROM {source}
)
SELECT
    merchant_id,
    CAST(floor((to_unixtime(occurred_at) - :begin_s) / :piece_s) AS bigint) AS piece,
    sum(CASE WHEN kind = :refund THEN -amount ELSE amount END) AS net,
    sum(payments) AS payments,
    max(segment) AS segment,
    max(country) AS country
FROM payments
WHERE occurred_at >= {begin}
    AND occurred_at < {end}
    AND status = :approved
    AND kind IN (:sale, :refund)
    AND amount BETWEEN 0 AND 1e12
    AND payments BETWEEN 1 AND 1000000000
    AND length(merchant_id) BETWEEN 1 AND 128
GROUP BY 1, 2
