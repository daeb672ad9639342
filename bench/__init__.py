"""Benchmarks: the engine and its peers, in one run, on the same topic of the same broker.

How it measures, the same for the engine and every peer:

* The topic is full before anybody starts, so that nobody waits for a producer. Each program gets
  a new group and begins at its first event; the events until it is warm do not count.
* *events/s* is what its consumer group has committed, looked at from outside twenty times a
  second: work that is not committed is not done. (Bytewax commits nothing to Kafka and counts
  itself.) The time between the first and the last commit counts, the end of the topic does not.
* *CPU* is the processor time of its process, all threads, between the same two moments, and *RSS*
  what it holds at the second; both as ``/proc`` tells. The broker's work is not in it.
* Python peers run the engine's own detector over windows of the same size, one window a
  partition. Flink and Kafka Streams run a distance test of two lines, which is less work.
"""
