"""What the data means: events, the anomaly record, rejections, topic names and the error tree.

No I/O, no clock, no Kafka, no machine learning.
"""
