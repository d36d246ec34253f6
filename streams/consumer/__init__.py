"""The loss-free consumer of a stage.

1. `stage` runs one session after another while its readiness check lets it, and reports its health.
2. `session` polls its consumer (made by `client`) and gives what it reads to the assignment, from where `placement`
   has found that each partition starts. `topic_watch` notices topics that are missing, changed or unread.
3. `assignment` holds a `partition` each: it bounds what is in flight and forms the next batch from partition slices.
4. `batch` runs the handler, publishes its messages and waits until Kafka has acknowledged them.
5. Only then is a record finished. `offset_tracker` moves the committable offset over the finished prefix.
6. `committer` commits the committable offsets.
7. When partitions are revoked: drain the running batches, commit, and only then let the group continue. A stop does the
   same with all partitions, and then leaves the group.

A step done earlier loses records; README.md beside this file has the rules for changes.
"""
