#include "history/keep.h"

#include "rejoin/crdt/delta.h"

namespace rejoin::node::history {

Status begin(Archive& archive, const std::string& space, const Clock& clock,
             const std::vector<EventPtr>& recent) {
  if (auto begun = archive.begin(space, clock); !begun) return begun;
  for (const EventPtr& event : recent) archive.add(space, event);
  // What the storage's log had beside events lies somewhere among them.
  archive.skip(space, clock, recent.empty());
  return {};
}

Result<bool> keep(Archive& archive, const PersistBatch& batch) {
  bool skipped = false;
  for (const auto* records : {&batch.superseded, &batch.log}) {
    for (const LogRecord& record : *records) {
      if (!record.archived) continue;
      if (record.kind == RecordKind::event) {
        archive.add(record.space, Event::decode(record.bytes).value());
      } else if (record.kind == RecordKind::delta) {
        const Delta delta = Delta::decode(record.bytes).value();
        Clock brought = delta.clock;
        brought.join(delta.retired);
        archive.skip(record.space, brought);
        skipped = true;
      }
    }
  }
  for (const CheckpointRecord& checkpoint : batch.checkpoints) {
    // Also where history was turned off since.
    if (!archive.has_space(checkpoint.space)) continue;
    if (auto stored = archive.store_all(checkpoint.space); !stored) return stored.error();
  }
  if (auto stored = archive.store(); !stored) return stored.error();
  return skipped;
}

}  // namespace rejoin::node::history
