"""What real rides look like, as a few numbers.

Measured on the green-taxi records of New York's taxi commission for January 2022 and December
2023 (126,710 rides; https://www.nyc.gov/site/tlc/about/tlc-trip-record-data.page). A driven ride
is one of 0.1 to 100 km and one minute to three hours: 93 % of them.
"""

import numpy as np

# how the quantiles below are spaced
PROBABILITIES = np.array([0, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1])

DISTANCE_KM = np.array(
    [0.11, 0.16, 0.55, 1.01, 1.3, 2.0, 3.22, 5.75, 10.49, 14.15, 26.38, 43.55, 94.98]
)

# log(seconds) = INTERCEPT + SLOPE * log(km) + HOUR_EFFECT[hour] + residual: long rides are faster
INTERCEPT, SLOPE = 5.686, 0.708
HOUR_EFFECT = np.array(
    [
        *(-0.20, -0.17, -0.15, -0.18, -0.24, -0.30, -0.19, -0.03, 0.02, -0.03, -0.02, 0.00),
        *(0.02, 0.03, 0.10, 0.11, 0.10, 0.10, 0.04, -0.04, -0.09, -0.13, -0.16, -0.18),
    ]
)
RESIDUAL = np.array(
    [-3.56, -1.18, -0.81, -0.56, -0.42, -0.21, 0.0, 0.2, 0.4, 0.54, 0.93, 1.73, 3.65]
)

# rides whose distance was not measured: meters tried for seconds, fares agreed beforehand
UNMEASURED_SHARE = 0.054
UNMEASURED_S = np.array([0, 0, 0, 2, 3, 13, 554, 1631, 2611, 3272, 4800, 5200, 5400.0])

# rides an hour, as a multiple of the mean: working days, then the weekend
WORKDAY_HOURS = np.array(
    [
        *(0.31, 0.20, 0.13, 0.09, 0.09, 0.14, 0.42, 1.10, 1.40, 1.48, 1.47, 1.41),
        *(1.40, 1.49, 1.65, 1.86, 1.90, 1.98, 1.84, 1.56, 1.08, 0.83, 0.68, 0.52),
    ]
)
WEEKEND_HOURS = np.array(
    [
        *(0.64, 0.51, 0.41, 0.34, 0.29, 0.17, 0.21, 0.38, 0.52, 0.78, 1.00, 1.18),
        *(1.26, 1.48, 1.53, 1.60, 1.53, 1.44, 1.43, 1.32, 1.09, 0.89, 0.73, 0.67),
    ]
)

ZONES = 263
# share of the busiest zones; the rest is spread over all others
PICKUP_SHARE = {
    74: 0.185,
    75: 0.132,
    41: 0.064,
    95: 0.045,
    166: 0.045,
    82: 0.038,
    43: 0.037,
    97: 0.034,
    42: 0.033,
    7: 0.028,
    65: 0.026,
    244: 0.025,
    130: 0.022,
    129: 0.020,
    260: 0.014,
    33: 0.012,
}
DROPOFF_SHARE = {
    74: 0.050,
    75: 0.049,
    236: 0.039,
    41: 0.038,
    42: 0.037,
    238: 0.033,
    166: 0.028,
    263: 0.023,
    151: 0.022,
    138: 0.020,
    239: 0.020,
    95: 0.020,
    129: 0.018,
    43: 0.016,
    7: 0.015,
    237: 0.015,
}
# share of rides that end in the zone where they began, by distance
SAME_ZONE_KM = np.array([0.01, 0.5, 1.0, 2.0, 4.0])
SAME_ZONE_SHARE = np.array([0.38, 0.78, 0.55, 0.25, 0.04, 0.02])

VENDOR_SHARE = {2: 0.866, 1: 0.134}
PASSENGER_SHARE = {
    1: 0.782,
    2: 0.080,
    None: 0.077,
    5: 0.027,
    6: 0.012,
    3: 0.012,
    0: 0.007,
    4: 0.003,
}

# the meter: 0.70 dollars a fifth of a mile or a minute in slow traffic, on top of 3 dollars
FLAG_FARE, UNIT_FARE, UNITS_PER_MILE = 3.0, 0.70, 5.0
SLOW_SHARE = (0.05, 0.40)
