#include "rejoin/crdt/agent/summary.h"

#include <utility>

#include "agent/fields.h"
#include "agent/record.h"

namespace rejoin::agent {

using nlohmann::json;

Result<Value> encode_summary(const Summary& summary) {
  if (summary.content.empty()) {
    return make_error(ErrorCode::invalid_argument, "a summary needs content");
  }
  if (auto ok = check_text("a summary's content", summary.content); !ok) return ok.error();
  if (auto ok = check_label("a summary's author", summary.author); !ok) return ok.error();
  if (auto ok = check_time("a summary's time", summary.time_millis); !ok) return ok.error();
  json record = {{"content", summary.content}, {"turns", summary.turns}};
  if (!summary.author.empty()) record["author"] = summary.author;
  if (summary.time_millis != 0) record["time"] = summary.time_millis;
  for (const auto& [replica, sequence] : summary.covers) {
    record["covers"][replica.to_string()] = sequence;
  }
  return Value(record.dump());
}

Summary decode_summary(const Value& value) {
  Summary summary;
  const json record = record_of(value);
  if (!record.is_object()) {
    summary.content = foreign_text(value);
    return summary;
  }
  summary.content = text_at(record, "content");
  summary.author = text_at(record, "author");
  summary.time_millis = time_at(record, "time");
  const auto covers = record.find("covers");
  if (covers == record.end() || !covers->is_object()) return summary;
  for (const auto& [name, sequence] : covers->items()) {
    const Result<ReplicaId> replica = ReplicaId::parse(name);
    if (!replica || replica->is_nil() || !sequence.is_number_unsigned()) continue;
    if (const auto last = sequence.get<Sequence>(); last > 0) summary.covers.set(*replica, last);
  }
  const auto turns = record.find("turns");
  if (turns != record.end() && turns->is_number_integer()) {
    summary.turns = turns->get<std::int64_t>();
  }
  return summary;
}

}  // namespace rejoin::agent
