"""The same engine on Kafka, hosted by Faust: partitions are shards."""
