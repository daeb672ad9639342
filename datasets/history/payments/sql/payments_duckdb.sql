-- What merchants turned over, by pieces of time, from files: approved sales less approved refunds.
-- The same meaning as payments_athena.sql. {names} are columns, quoted; :names are parameters.
-- Rows that would be no payment on the topic are left out: see schemas/payments.py.
WITH payments AS (
    SELECT
        CAST({merchant_id} AS VARCHAR) AS merchant_id,
        {occurred_at} AS occurred_at,
        CAST({amount} AS DOUBLE) AS amount,
        lower(CAST({kind} AS VARCHAR)) AS kind,
        lower(CAST({status} AS VARCHAR)) AS status,
        coalesce(CAST({count} AS BIGINT), 1) AS payments,
        CAST({segment} AS VARCHAR) AS segment,
        CAST({country} AS VARCHAR) AS country
    FROM {source}
)
SELECT
    merchant_id,
    (epoch_us(occurred_at) - :begin_us) // :piece_us AS piece,
    fsum(CASE WHEN kind = :refund THEN -amount ELSE amount END) AS net,
    CAST(sum(payments) AS BIGINT) AS payments,
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
